/*
 * Looks at the relay's page in a real browser: PAGE_URL RELAY_ADDRESS FOLDER. Screenshots go to FOLDER.
 * After each of these words it waits for a line: "freeze", the relay stands still; "stop", it has ended;
 * "restart", the address of another one, whose page is at the same URL. Prints a line for each step that was as
 * it should be; the first that was not ends it.
 */
const assert = require('node:assert');
const fs = require('node:fs');
const http = require('node:http');
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
const asked = []; // when it asked for something

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
        const what = request.url();
        asked.push(performance.now());
        if (!what.startsWith(url) && !what.startsWith('data:')) wrong.push('asked for ' + what);
    });
    await page.goto(url);
    await page.locator('#link', { hasText: 'live' }).waitFor();
    return page;
}

/* The mouse is nowhere: a list stands still while it is over it. */
const moveAway = (page) => page.mouse.move(1, 1);

/* What covers something, or leaves its card. */
const findOverlaps = () => {
    const wrong = [];
    for (const card of document.querySelectorAll('.card, header .wide')) {
        const box = card.getBoundingClientRect();
        const walker = document.createTreeWalker(card, NodeFilter.SHOW_TEXT);
        const seen = [];
        for (let node = walker.nextNode(); node; node = walker.nextNode()) {
            const range = document.createRange();
            range.selectNodeContents(node);
            const style = getComputedStyle(node.parentElement);
            if (!node.textContent.trim() || style.visibility === 'hidden' || node.parentElement.closest('.aside, .bubble')) continue;
            for (const rect of range.getClientRects()) {
                if (rect.width < 1 || rect.height < 1) continue;
                if (rect.left < box.left - 0.5 || rect.right > box.right + 0.5) wrong.push('leaves its card: ' + node.textContent);
                const other = seen.find(([r, n]) => n !== node && r.left < rect.right - 1 && rect.left < r.right - 1 &&
                    r.top < rect.bottom - 4 && rect.top < r.bottom - 4);
                if (other) wrong.push(`"${node.textContent}" covers "${other[1].textContent}"`);
                seen.push([rect, node]);
            }
        }
    }
    if (document.documentElement.scrollWidth > innerWidth) wrong.push('is wider than the window');
    return wrong;
};

/* WCAG 2.2 AA, as far as a program can tell. */
async function checkAccess(page, what) {
    await page.evaluate(fs.readFileSync(process.env.NODE_MODULES + '/axe-core/axe.min.js', 'utf8'));
    const found = await page.evaluate(() => axe.run(document, { resultTypes: ['violations'] }));
    const words = found.violations.map((v) => `${v.id}: ${v.nodes.map((node) => node.html + ' ' + node.failureSummary).join('; ')}`);
    assert.deepStrictEqual(words, [], what);
}

/* Each looks at one thing, in this order; the relay is there. */
const STEPS = {
    async 'it loads'(page) {
        assert.strictEqual(await page.title(), 'smsrelay');
        assert.strictEqual(await page.locator('#charts svg').count(), 5);
        await page.locator('#state', { hasText: 'Messages are relayed.' }).waitFor();
        assert.strictEqual(await page.locator('body').getAttribute('class'), 'has-inbox');
        await checkAccess(page, 'empty');
    },

    async 'the counters move'(page, relay) {
        const relayed = page.locator('#totals-relayed');
        assert.strictEqual(await relayed.textContent(), '0');
        for (let i = 0; i < 20; i++) await relay.ask('SEND +3460000' + (1000 + i) + ' text ' + i);
        await page.locator('#totals-relayed', { hasText: /^20$/ }).waitFor();
        const chart = page.locator('.chart', { hasText: 'Relayed' });
        await chart.locator('.top', { hasText: /peak [1-9]/ }).waitFor();
        assert.match(await chart.locator('path.first').getAttribute('d'), /^M.*L/);
        assert.match(await chart.locator('.axis').textContent(), /^last [12] min/); // since the start
        await page.locator('#messages > li').nth(19).waitFor({ state: 'attached' });
    },

    async 'all are shown on demand'(page) {
        const shown = page.locator('#messages > li:visible');
        const more = page.locator('.list', { hasText: 'Last messages' }).locator('.more');
        assert.strictEqual(await shown.count(), 10);
        await more.click();
        assert.strictEqual(await shown.count(), 20);
        assert.strictEqual(await more.textContent(), 'Show fewer');
        await more.click();
        assert.strictEqual(await shown.count(), 10);
        await moveAway(page);
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
        assert.ok(Math.min(...took) < 1100, `it took ${took} ms`);
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

    async 'a message shows its life, and leads to the inbox and back'(page, relay) {
        const reply = await relay.ask('SEND ACK=relayed +34600009002 a life');
        const id = reply.match(/id=(\S+)/)[1];
        const item = page.locator(`#messages > li[data-id="${id}"]`);
        await item.locator('.chip', { hasText: 'failed 21' }).waitFor();
        const row = item.getByRole('button', { name: /^to \+34\*\*\*02, failed 21, 1 part, / });
        await row.click();
        await item.locator('.life li').nth(3).waitFor();
        const words = await item.locator('.life li .chip').allTextContents();
        assert.deepStrictEqual(words.slice(0, 3), ['queued', 'sending', 'relayed']);
        assert.strictEqual(words[words.length - 1], 'failed 21');
        assert.match(await item.locator('dl').textContent(), new RegExp('id' + id + 'fromACMEparts1attempts1'));
        await checkAccess(page, 'a life');
        await item.getByRole('button', { name: /^Show in the inbox, the message to/ }).click();
        const sms = page.locator('#inbox > li.is-open', { hasText: 'a life' });
        await sms.getByRole('button', { name: /^Show its life, for the message to/ }).click();
        await page.waitForFunction((wanted) =>
            document.activeElement.closest('#messages > li')?.dataset.id === wanted, id);
        await page.locator('#inbox > li.is-open .row').click();
        await row.click();
        await moveAway(page);
    },

    async 'one tab stop for each message'(page) {
        await page.locator('#find').focus();
        const stops = [];
        for (let i = 0; i < 16; i++) {
            await page.keyboard.press('Tab');
            stops.push(await page.evaluate(() => document.activeElement.closest('li')?.dataset.id
                || document.activeElement.parentNode.getAttribute('aria-labelledby')));
        }
        assert.strictEqual(new Set(stops).size, stops.length);
        assert.strictEqual(stops[10], 'messages-title'); // its button for all
        assert.strictEqual(stops[15], 'inbox-title'); // after four
        await page.evaluate(() => document.activeElement.blur());
    },

    async 'a button reports'(page, relay) {
        const reply = await relay.ask('SEND ACK=relayed +34600009009 pressed');
        const id = reply.match(/id=(\S+)/)[1];
        const item = page.locator('#inbox > li', { hasText: 'pressed' });
        await item.locator('.chip', { hasNotText: 'failed' }).waitFor();
        await item.locator('.row').click();
        await item.getByRole('button', { name: /^Failed, for the message to \+34\*\*\*09 of / }).click();
        await item.locator('.chip', { hasText: 'failed' }).waitFor();
        await page.locator(`#messages > li[data-id="${id}"] .chip`, { hasText: 'failed' }).waitFor();
        assert.strictEqual(await item.locator('.said').textContent(), '');
        assert.match(await relay.ask('STATUS ' + id), / dlr=failed /);
        await checkAccess(page, 'an open message of the inbox');
    },

    /* The message of the step before is open still. */
    async 'what one reads stays where it is'(page, relay) {
        const row = page.locator('#inbox > li.is-open .row');
        const before = await row.boundingBox();
        for (let i = 0; i < 3; i++) await relay.ask('SEND ACK=relayed +34600000000 news ' + i);
        const fresh = page.locator('#inbox-card .fresh', { hasText: /^3 new$/ });
        await fresh.waitFor();
        assert.deepStrictEqual(await row.boundingBox(), before);
        await fresh.click();
        await page.locator('#inbox > li').first().locator('.bubble', { hasText: 'news 2' }).waitFor();
        await moveAway(page);
    },

    async 'it finds a number, an id and a REF'(page, relay) {
        const reply = await relay.ask('SEND REF=order-17 +34600000077 sought');
        const id = reply.match(/id=(\S+)/)[1];
        for (const words of ['+34 600 000 077', id, id.toLowerCase(), 'order-17']) {
            await page.locator('#find').fill(words);
            await page.waitForFunction((wanted) => {
                const shown = [...document.querySelectorAll('#messages > li')];
                return shown.length === 1 && shown[0].dataset.id === wanted;
            }, id);
        }
        await page.locator('#find').fill('order-18');
        await page.getByText('Nothing found').waitFor();
        await page.locator('#find').fill('');
        await page.locator('#messages > li').nth(20).waitFor({ state: 'attached' });
    },

    async 'it says why nothing is relayed'(page, relay) {
        await relay.ask('HOLD');
        await relay.ask('SEND +34600000000 waits');
        await page.locator('#state', { hasText: 'Nothing is relayed: held by the operator' }).waitFor();
        await page.locator('.chart', { hasText: 'Waiting' }).locator('.value', { hasText: /^1$/ }).waitFor();
        await page.screenshot({ path: path.join(folder, 'page-held-light.png') });
        await checkAccess(page, 'held');
        await relay.ask('RELEASE');
        await page.locator('#state', { hasText: 'Messages are relayed.' }).waitFor();
    },

    async 'it fits every width'(page, relay, browser) {
        for (const to of ['+34600009001', '+34600009002']) await relay.ask(`SEND ${to} ` + 'widths '.repeat(60));
        for (const colorScheme of ['light', 'dark']) {
            const other = await open(browser, { viewport: { width: 320, height: 740 }, deviceScaleFactor: 2, colorScheme });
            await other.locator('#inbox > li').first().waitFor();
            await other.locator('#messages .chip', { hasText: 'rejected' }).waitFor();
            await other.locator('#messages > li', { hasText: 'failed' }).first().locator('.row').click();
            await other.locator('.life li').first().waitFor();
            for (const width of [320, 360, 390, 768, 1280]) {
                await other.setViewportSize({ width, height: 740 });
                assert.deepStrictEqual(await other.evaluate(findOverlaps), [], `${width} px`);
                const file = `page-${width}-${colorScheme}.png`;
                if (width !== 768) await other.screenshot({ path: path.join(folder, file), fullPage: true });
            }
            await checkAccess(other, colorScheme);
            await other.context().close();
        }
    },

    async 'what is not of today has a date'(page, relay, browser) {
        const context = await browser.newContext();
        const other = await context.newPage();
        await other.clock.setFixedTime(Date.now() + 24 * 3600 * 1000);
        await other.goto(url);
        const row = other.locator('#messages > li').first();
        await row.locator('time', { hasText: /^\d{1,2} \w{3,4}(?: \d{4})?, \d\d:\d\d$/ }).waitFor();
        assert.match(await row.locator('.row').getAttribute('aria-label'), /, \d{1,2} \w{3,4}(?: \d{4})?, \d\d:\d\d$/);
        await context.close();
    },

    async 'without JavaScript it claims nothing'(page, relay, browser) {
        const context = await browser.newContext({ javaScriptEnabled: false, viewport: { width: 320, height: 500 } });
        const other = await context.newPage();
        await other.goto(url);
        const words = (await other.locator('body').innerText()).replace(/\s+/g, ' ');
        assert.match(words, /^This page needs JavaScript.*\/readyz.*\/metrics.* smsrelay$/);
        await other.screenshot({ path: path.join(folder, 'page-no-script.png') });
        await context.close();
    },

    async 'one page too many says so'(page, relay, browser) {
        const streams = [];
        for (let i = 0; i < 15; i++) {
            streams.push(await new Promise((resolve) => http.get(url + '/events', resolve)));
            streams[i].resume();
        }
        const context = await browser.newContext();
        const other = await context.newPage();
        other.on('console', (message) => wrong.push(message.text()));
        await other.goto(url);
        await other.locator('#link', { hasText: 'too many pages' }).waitFor();
        await checkAccess(other, 'too many');
        for (const stream of streams) stream.destroy();
        await context.close();
    },
};

/* Another relay is at the same place: the page takes up with it by itself, with its token. */
async function restart(page, answers) {
    const token = () => document.querySelector('meta[name=page-token]').content;
    const before = await page.evaluate(token);
    assert.deepStrictEqual(wrong.splice(0), []);
    console.log('freeze');
    await answers.next();
    await page.locator('#link', { hasText: /^last seen \d+ s ago$/ }).waitFor();
    console.log('stop');
    await answers.next();
    await page.locator('#link', { hasText: /^last seen \d+ s ago$/ }).waitFor();
    await page.locator('#state', { hasText: /^The relay does not answer. What is shown here is of / }).waitFor();
    assert.match(await page.locator('body').getAttribute('class'), /is-stale/);
    await checkAccess(page, 'stale');
    await page.screenshot({ path: path.join(folder, 'page-stale.png') });
    assert.ok(asked.filter((one) => performance.now() - one < 5000).length < 8, 'a storm');
    wrong.length = 0; // a browser tells that a relay does not answer
    console.log('restart');
    const relay = connect((await answers.next()).value);
    await page.waitForFunction((old) =>
        document.querySelector('meta[name=page-token]')?.content !== old, before);
    await relay.ask('SEND ACK=relayed +34600000000 again');
    const item = page.locator('#inbox > li', { hasText: 'again' });
    await item.locator('.row').click();
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
