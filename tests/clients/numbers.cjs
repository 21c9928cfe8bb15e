/*
 * Example numbers of every country as libphonenumber knows and formats them, for the test of the
 * numbering plans. Prints a line of JSON for each: the relay's country, what is written, what it
 * means in E.164.
 */
const {PhoneNumberUtil, PhoneNumberFormat: Format, PhoneNumberType: Type} =
    require(process.env.NODE_MODULES + '/google-libphonenumber');
const numbers = PhoneNumberUtil.getInstance();
const ABROAD = ['AU', 'BY', 'DE', 'GB', 'JP', 'RU', 'US'];

function* waysToWrite(number, code) {
    const e164 = numbers.format(number, Format.E164);
    yield ['', e164];
    yield ['', e164.slice(1)];
    yield ['', numbers.format(number, Format.INTERNATIONAL)];
    yield ['', numbers.format(number, Format.RFC3966)];
    yield [code, numbers.format(number, Format.NATIONAL)];
    yield [code, numbers.getNationalSignificantNumber(number)];
    yield [code, e164.slice(1)];
    yield [code, '00' + e164.slice(1)];
    for (const country of ABROAD) {
        const from = String(numbers.getCountryCodeForRegion(country));
        if (from !== code) {
            yield [from, numbers.formatOutOfCountryCallingNumber(number, country)];
        }
    }
}

for (const region of numbers.getSupportedRegions()) {
    const code = String(numbers.getCountryCodeForRegion(region));
    for (const type of [Type.MOBILE, Type.FIXED_LINE]) {
        const number = numbers.getExampleNumberForType(region, type);
        if (number) { /* Tristan da Cunha has no mobile phones */
            const e164 = numbers.format(number, Format.E164);
            for (const [country, written] of waysToWrite(number, code)) {
                console.log(JSON.stringify({country, written, e164}));
            }
        }
    }
}
