/*
 * Lets web pages in a real browser make every request at the relay's line port that a page can make:
 * ADDRESS VERB... Each verb as the method, short and long paths, from a page of the same origin and of another,
 * with bodies of all types. Prints how many it has made.
 */
const http = require('node:http');
const { chromium } = require(process.env.NODE_MODULES + '/playwright-core');

const [address, ...verbs] = process.argv.slice(2);
const target = 'http://' + address;
const METHODS = [...verbs, 'GET', 'POST', 'PUT', 'OPTIONS'];
const AT_ONCE = 32;

/* In the page: makes all requests, some at a time. None of them can succeed. */
async function ask({ target, methods, isSame, atOnce }) {
    const smuggled = '\r\n.\r\nSEND +34600000000 smuggled\r\nFLUSH\r\n';
    const form = new FormData();
    form.append('DATA\r\n.\r\nSEND +34600000000 smuggled\r\n', new Blob([smuggled]), 'SEND +34600000000 smuggled');
    const bodies = [undefined, smuggled, new Blob([smuggled], { type: 'application/octet-stream' }),
                    new URLSearchParams({ 'SEND +34600000000 smuggled': smuggled }), form];
    const paths = ['/', '/' + 'a'.repeat(66000), '/%0d%0aSEND%20+34600000000%20smuggled'];
    const jobs = [];
    for (const method of methods) {
        for (const path of paths) {
            for (const body of bodies) {
                if (method === 'GET' && body !== undefined) continue;
                /* Without CORS only some methods go out; with it, a question without a body comes before the others. */
                const isSimple = ['GET', 'POST'].includes(method);
                if (!isSame && !isSimple && body !== smuggled) continue;
                if (path.startsWith('/%') && body !== smuggled) continue;
                jobs.push(() => fetch(target + path, { method, body, mode: isSimple && !isSame ? 'no-cors' : 'cors' }));
            }
        }
    }
    for (const body of bodies.slice(1)) jobs.push(() => navigator.sendBeacon(target + '/', body));
    let done = 0;
    const run = async () => {
        while (jobs.length > 0) {
            try { await jobs.pop()(); } catch (error) { /* as it should be */ }
            done++;
        }
    };
    await Promise.all(Array.from({ length: atOnce }, run));
    return done;
}

/* A form, whose text/plain body is nearly free; it goes to a frame. */
function submitForm(target) {
    document.body.innerHTML = '<iframe name="frame"></iframe><form method="post" enctype="text/plain" target="frame"><textarea></textarea></form>';
    const form = document.querySelector('form');
    form.action = target + '/';
    form.firstChild.name = '\r\n.\r\nSEND +34600000000 smuggled\r\n';
    form.firstChild.value = '\r\nFLUSH\r\n';
    form.submit();
    return new Promise((resolve) => { document.querySelector('iframe').onload = resolve; setTimeout(resolve, 1000); });
}

async function main() {
    const server = http.createServer((request, response) => response.end('<title>another origin</title>'));
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    const browser = await chromium.launch({
        executablePath: process.env.CHROMIUM,
        args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
               '--disable-background-networking', '--disable-component-update', '--disable-sync'],
    });
    let done = 0;
    try {
        const other = await browser.newPage();
        await other.goto(`http://127.0.0.1:${server.address().port}/`);
        const same = await browser.newPage();
        await same.route(target + '/page', (route) => route.fulfill({ body: '<title>the same origin</title>', contentType: 'text/html' }));
        await same.goto(target + '/page');
        await same.unrouteAll();
        for (const [page, isSame] of [[other, false], [same, true]]) {
            done += await page.evaluate(ask, { target, methods: METHODS, isSame, atOnce: AT_ONCE });
            await page.evaluate(submitForm, target);
        }
    } finally {
        await browser.close();
        server.close();
    }
    console.log(done);
}

main().then(() => process.exit(0), (error) => { console.error(error); process.exit(1); });
