/*
 * Looks at the relay's page in a real browser: PAGE_URL RELAY_ADDRESS FOLDER. Screenshots go to FOLDER.
 * When it has printed "restart" it waits for a line: the address of another relay, whose page is at the
 * same URL. Prints a line for each step that was as it should be; the first that was not ends it.
 */
const assert = require('node:assert');
const net = require('node:net');
const path = require('node:path');
const readline = require('node:readline');
const { chromium } = require(process.env.NODE_MODULES + '/playwright-core');

const [url, address, folder] = process.argv.slice(2);
const PATIENCE_MS = 20000;

/* A connection to the relay: ask() sends a line and gives the first line of its reply. */
function connect(to) {
    const [host, port] = to.split(':');
    const socket = net.connect(Number(port), host);
    const lines = readline.createInterface({ input: socket })[Symbol.asyncIterator]();
    const next = async () => (await lines.next()).value;
    const greeting = next();
    return {
        async ask(line) {
            await greeting;
            socket.write(line + '\r\n');
            const reply = await next();
            assert.match(reply, /^250 /);
            return reply;
        },
        close: () => socket.destroy(),
    };
}

const HOSTILE = {
    script: '<script>window.hit = 1</script><img src=x onerror="window.hit = 2">&lt;b&gt; "\' {{token}}',
    'right to left': '\u202e\u05d0\u05d1\u05d2 \u2067evil\u2069 \u202dtext \u061c\u200f\u0645\u0631\u062d\u0628\u0627',
    long: '0123456789'.repeat(153),
    emoji: '\u{1f525}\u{1f468}\u200d\u{1f469}\u200d\u{1f467}'.repeat(20),
};

const wrong = []; // what the browser complained of

async function open(browser, options) {
    const context = await browser.newContext(options);
    const page = await context.newPage();
    page.setDefaultTimeout(PATIENCE_MS);
    page.on('console', (message) => {
        if (['error', 'warning'].includes(message.type())) wrong.push(message.text());
    });
    page.on('pageerror', (error) => wrong.push(String(error)));
    page.on('dialog', (dialog) => { wrong.push('a dialog'); dialog.dismiss(); });
    page.on('request', (request) => {
        const asked = request.url();
        if (!asked.startsWith(url) && !asked.startsWith('data:')) wrong.push('asked for ' + asked);
    });
    await page.goto(url);
    await page.locator('#link', { hasText: 'live' }).waitFor();
    return page;
}

/* Each looks at one thing, in this order; the relay is there. */
const STEPS = {
    async 'it loads'(page) {
        assert.strictEqual(await page.title(), 'smsrelay');
        assert.strictEqual(await page.locator('#charts svg').count(), 5);
        assert.strictEqual(await page.locator('#banner').isVisible(), false);
    },

    async 'the counters move'(page, relay) {
        const relayed = page.locator('#totals-relayed');
        assert.strictEqual(await relayed.textContent(), '0');
        for (let i = 0; i < 20; i++) await relay.ask('SEND +3460000' + (1000 + i) + ' text ' + i);
        await page.locator('#totals-relayed', { hasText: /^20$/ }).waitFor();
        const chart = page.locator('.chart', { hasText: 'Relayed' });
        await chart.locator('.top', { hasText: /peak [1-9]/ }).waitFor();
        assert.match(await chart.locator('path.first').getAttribute('d'), /^M.*L/);
        assert.match(await chart.locator('.axis').textContent(), /^−[12] minnow$/); // since the start
        await page.locator('#messages > li').nth(19).waitFor({ state: 'attached' });
    },

    /* The best of three, since the machine may have other things to do. */
    async 'a message is in the inbox within a second'(page, relay) {
        const took = [];
        for (let i = 0; i < 3; i++) {
            await relay.ask('SEND ACK=relayed +34600000000 quick ' + i);
            const began = performance.now();
            await page.locator('#inbox .bubble', { hasText: 'quick ' + i }).waitFor();
            took.push(performance.now() - began);
        }
        assert.ok(Math.min(...took) < 1000, `it took ${took} ms`);
    },

    async 'hostile texts are texts'(page, relay) {
        for (const [name, text] of Object.entries(HOSTILE)) {
            await relay.ask('SEND ACK=relayed +34600000000 ' + text);
            await page.waitForFunction((wanted) =>
                document.querySelector('#inbox .bubble').textContent === wanted, text);
            assert.strictEqual(await page.evaluate('window.hit'), undefined, name);
        }
        assert.strictEqual(await page.locator('.bubble *:not(span)').count(), 0);
        const long = page.locator('#inbox > li', { hasText: HOSTILE.long });
        assert.strictEqual(await long.locator('[data-part]').count(), 10);
        assert.match(await long.textContent(), /GSM-7 · 1,530 septets · 10 parts/);
    },

    async 'a button reports'(page, relay) {
        const reply = await relay.ask('SEND ACK=relayed +34600009009 pressed');
        const id = reply.match(/id=(\S+)/)[1];
        const item = page.locator('#inbox > li', { hasText: 'pressed' });
        await item.locator('.chip', { hasNotText: 'failed' }).waitFor();
        await item.getByRole('button', { name: 'Failed' }).click();
        await item.locator('.chip', { hasText: 'failed' }).waitFor();
        await page.locator(`#messages > li[data-id="${id}"] .chip`, { hasText: 'failed' }).waitFor();
        assert.strictEqual(await item.locator('.said').textContent(), '');
        assert.match(await relay.ask('STATUS ' + id), / dlr=failed /);
    },

    async 'it says why nothing is relayed'(page, relay) {
        await relay.ask('HOLD');
        await relay.ask('SEND +34600000000 waits');
        await page.locator('#banner', { hasText: 'held by the operator' }).waitFor();
        await page.locator('.chart', { hasText: 'Waiting' }).locator('.value', { hasText: /^1$/ }).waitFor();
        await page.screenshot({ path: path.join(folder, 'page-held-light.png') });
        await relay.ask('RELEASE');
        await page.locator('#banner').waitFor({ state: 'hidden' });
    },

    async 'it fits a phone'(page, relay, browser) {
        await page.screenshot({ path: path.join(folder, 'page-desktop-light.png'), fullPage: true });
        const phone = await open(browser, {
            viewport: { width: 360, height: 740 }, deviceScaleFactor: 2, colorScheme: 'dark', isMobile: true,
        });
        await phone.locator('#inbox > li').first().waitFor();
        assert.strictEqual(await phone.evaluate('document.documentElement.scrollWidth'), 360);
        await phone.screenshot({ path: path.join(folder, 'page-phone-dark.png') });
        await phone.locator('#inbox-card').evaluate((inbox) => inbox.scrollIntoView());
        await phone.screenshot({ path: path.join(folder, 'page-phone-inbox-dark.png') });
        await phone.context().close();
    },
};

/* Another relay is at the same place: the page takes up with it by itself, with its token. */
async function restart(page, answers) {
    const token = () => document.querySelector('meta[name=page-token]').content;
    const before = await page.evaluate(token);
    assert.deepStrictEqual(wrong.splice(0), []);
    console.log('restart');
    const relay = connect((await answers.next()).value);
    await page.waitForFunction((old) =>
        document.querySelector('meta[name=page-token]')?.content !== old, before);
    await relay.ask('SEND ACK=relayed +34600000000 again');
    const item = page.locator('#inbox > li', { hasText: 'again' });
    await item.getByRole('button', { name: 'Expired' }).click();
    await item.locator('.chip', { hasText: 'expired' }).waitFor();
    relay.close();
    console.log('it survives a restart');
}

async function main() {
    const answers = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();
    const browser = await chromium.launch({
        executablePath: process.env.CHROMIUM,
        args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
               '--disable-background-networking', '--disable-component-update', '--disable-sync'],
    });
    try {
        const page = await open(browser, { viewport: { width: 1280, height: 900 }, colorScheme: 'light' });
        const relay = connect(address);
        for (const [name, step] of Object.entries(STEPS)) {
            await step(page, relay, browser);
            assert.deepStrictEqual(wrong, [], name);
            console.log(name);
        }
        relay.close();
        await restart(page, answers);
    } finally {
        await browser.close();
    }
}

main().then(() => process.exit(0), (error) => { console.error(error); process.exit(1); });
