/*
 * plan: see plan.h. Owns the table of plans, and the patterns in it. Pure; any thread.
 */
#include "proto/plan.h"

#include <stdint.h>
#include <string.h>

/* Numbers that begin alike: the least and the most digits they have, behind the calling code. */
struct range {
    const char *first; /* pattern of the first digits; "" = any */
    uint8_t shortest, longest;
};

/*
 * Patterns are digits, sets of them ("[2-5]") and alternatives ("0|8"). The first range whose
 * pattern matches decides. A zero in front that no range allows is a trunk prefix or a mistake.
 *
 * The ranges are those of numbers that a person can have. Service numbers (freephone, premium rate)
 * of other lengths are left out: nobody reads an SMS there, and the wider a plan, the more typing
 * errors fit it.
 */
struct plan {
    const char *trunk; /* dialled before a number within the country; NULL = it is no country's */
    const char *exit;  /* dialled before an international number, besides "00" */
    const struct range *ranges; /* the last one has no pattern */
};

/* clang-format off */
#define RANGES(...) (const struct range[]){__VA_ARGS__, {NULL, 0, 0}}

/* By calling code. No code is the start of another one: one to three digits find the row. */
static const struct plan PLANS[1000] = {
    /* North America */
    [1] = {"", "011", RANGES({"[2-9]", 10, 10})},

    /* Africa, and islands off Europe and America */
    /* Egypt */
    [20] = {"0", "", RANGES({"1[0-25]", 10, 10}, {"1", 9, 9}, {"3", 8, 8}, {"5", 8, 9},
        {"[24689]", 9, 9})},
    [211] = {"0", "", RANGES({"[19]", 9, 9})},                        /* South Sudan */
    [212] = {"0", "", RANGES({"[5-8]", 9, 9})},                       /* Morocco */
    [213] = {"0", "", RANGES({"[1-4]", 8, 8}, {"[5-9]", 9, 9})},      /* Algeria */
    [216] = {"", "", RANGES({"[2-57-9]", 8, 8})},                     /* Tunisia */
    [218] = {"0", "", RANGES({"[2-9]", 9, 9})},                       /* Libya */
    [220] = {"", "", RANGES({"[48]", 7, 9}, {"[235-79]", 7, 7})},     /* Gambia */
    [221] = {"", "", RANGES({"[37-9]", 9, 9})},                       /* Senegal */
    [222] = {"", "", RANGES({"[2-48]", 8, 8})},                       /* Mauritania */
    [223] = {"", "", RANGES({"[24-9]", 8, 8})},                       /* Mali */
    [224] = {"", "", RANGES({"3", 8, 8}, {"[67]", 9, 9})},            /* Guinea */
    [225] = {"", "", RANGES({"0[1-9]|2", 10, 10})},                   /* Ivory Coast */
    [226] = {"", "", RANGES({"0[1-9]|[24-7]", 8, 8})},                /* Burkina Faso */
    [227] = {"", "", RANGES({"0[1-9]|[27-9]", 8, 8})},                /* Niger */
    [228] = {"", "", RANGES({"[279]", 8, 8})},                        /* Togo */
    [229] = {"", "", RANGES({"01", 10, 10})},                         /* Benin */
    [230] = {"", "", RANGES({"[57]", 8, 8}, {"[2-468]", 7, 7})},      /* Mauritius */
    /* Liberia */
    [231] = {"0", "", RANGES({"2", 8, 9}, {"[45]", 7, 9}, {"6", 7, 7}, {"[378]", 9, 9})},
    [232] = {"0", "", RANGES({"[236-9]", 8, 8})},                     /* Sierra Leone */
    [233] = {"0", "", RANGES({"[235]", 9, 9}, {"8", 8, 9})},          /* Ghana */
    [234] = {"0", "009", RANGES({"[27-9]", 10, 10})},                 /* Nigeria */
    [235] = {"", "", RANGES({"[236-9]", 8, 8})},                      /* Chad */
    [236] = {"", "", RANGES({"[26-8]", 8, 8})},                       /* Central Africa */
    [237] = {"", "", RANGES({"[26]", 9, 9}, {"8", 8, 9})},            /* Cameroon */
    [238] = {"", "", RANGES({"[2-589]", 7, 7})},                      /* Cape Verde */
    [239] = {"", "", RANGES({"[29]", 7, 7})},                         /* Sao Tome */
    [240] = {"", "", RANGES({"[23589]", 9, 9})},                      /* Equatorial Guinea */
    [241] = {"0", "", RANGES({"0[1-9]|[167]", 8, 8})},                /* Gabon */
    [242] = {"", "", RANGES({"0[1-9]|[28]", 9, 9})},                  /* Congo */
    /* DR Congo */
    [243] = {"0", "", RANGES({"[89]", 9, 9}, {"1", 7, 9}, {"2", 7, 8}, {"[346]", 7, 7},
        {"5", 7, 10})},
    [244] = {"", "", RANGES({"[29]", 9, 9})},                         /* Angola */
    [245] = {"", "", RANGES({"4", 7, 9}, {"9", 9, 9})},               /* Guinea-Bissau */
    [246] = {"", "", RANGES({"3", 7, 7})},                            /* Diego Garcia */
    [247] = {"", "", RANGES({"[2-467]", 5, 5}, {"[01589]", 6, 6})},   /* Ascension */
    [248] = {"", "", RANGES({"[24689]", 7, 7})},                      /* Seychelles */
    [249] = {"0", "", RANGES({"[19]", 9, 9})},                        /* Sudan */
    [250] = {"0", "", RANGES({"06", 8, 8}, {"[27-9]", 9, 9})},        /* Rwanda */
    [251] = {"0", "", RANGES({"[1-57-9]", 9, 9})},                    /* Ethiopia */
    /* Somalia */
    [252] = {"0", "", RANGES({"1", 6, 8}, {"2", 7, 8}, {"[348]", 6, 9}, {"5", 7, 7},
        {"[679]", 8, 9})},
    [253] = {"", "", RANGES({"[27]", 8, 8})},                         /* Djibouti */
    /* Kenya */
    [254] = {"0", "000", RANGES({"[17]", 9, 9}, {"2", 8, 9}, {"[4-6]", 7, 9}, {"[89]", 9, 10})},
    [255] = {"0", "000|005|006", RANGES({"[246-9]", 9, 9})},          /* Tanzania */
    [256] = {"0", "000|005|007", RANGES({"[2-47-9]", 9, 9})},         /* Uganda */
    [257] = {"", "", RANGES({"[2367]", 8, 8})},                       /* Burundi */
    [258] = {"", "", RANGES({"2", 8, 8}, {"8", 9, 9})},               /* Mozambique */
    [260] = {"0", "", RANGES({"[25-9]", 9, 9})},                      /* Zambia */
    [261] = {"0", "", RANGES({"[23]", 9, 9})},                        /* Madagascar */
    [262] = {"0", "", RANGES({"[26-9]", 9, 9})},                      /* Reunion */
    [263] = {"0", "", RANGES({"7", 9, 9}, {"86", 10, 10}, {"[1-689]", 7, 9})}, /* Zimbabwe */
    [264] = {"0", "", RANGES({"[68]", 8, 9})},                        /* Namibia */
    [265] = {"0", "", RANGES({"1", 7, 9}, {"[237-9]", 9, 9})},        /* Malawi */
    [266] = {"", "", RANGES({"[2568]", 8, 8})},                       /* Lesotho */
    [267] = {"", "", RANGES({"7", 8, 8}, {"[2-69]", 7, 7})},          /* Botswana */
    [268] = {"", "", RANGES({"[237]", 8, 8}, {"9", 9, 9})},           /* Eswatini */
    [269] = {"", "", RANGES({"[3478]", 7, 7})},                       /* Comoros */
    [27] = {"0", "", RANGES({"[1-9]", 9, 9})},                        /* South Africa */
    [290] = {"", "", RANGES({"[2569]", 5, 5}, {"8", 4, 4})},          /* Saint Helena */
    [291] = {"0", "", RANGES({"[178]", 7, 7})},                       /* Eritrea */
    [297] = {"", "", RANGES({"[25-9]", 7, 7})},                       /* Aruba */
    [298] = {"", "", RANGES({"[2-9]", 6, 6})},                        /* Faroes */
    [299] = {"", "", RANGES({"[1-9]", 6, 6})},                        /* Greenland */

    /* Europe */
    [30] = {"", "", RANGES({"[2-9]", 10, 10})},                       /* Greece */
    [31] = {"0", "", RANGES({"[1-8]", 9, 9}, {"97", 11, 11})},        /* Netherlands */
    [32] = {"0", "", RANGES({"4[5-9]", 9, 9}, {"[1-9]", 8, 8})},      /* Belgium */
    [33] = {"0", "", RANGES({"[1-9]", 9, 9})},                        /* France */
    [34] = {"", "", RANGES({"", 9, 9})},                              /* Spain */
    [350] = {"", "", RANGES({"[256]", 8, 8})},                        /* Gibraltar */
    [351] = {"", "", RANGES({"[1-36-9]", 9, 9})},                     /* Portugal */
    [352] = {"", "", RANGES({"6", 9, 9}, {"[2-57-9]", 4, 10})},       /* Luxembourg */
    /* Ireland */
    [353] = {"0", "", RANGES({"1", 8, 9}, {"[2569]", 7, 9}, {"4", 7, 10}, {"[78]", 9, 9})},
    [354] = {"", "", RANGES({"3", 9, 9}, {"[4-9]", 7, 7})},           /* Iceland */
    [355] = {"0", "", RANGES({"6", 9, 9}, {"[2-578]", 8, 8})},        /* Albania */
    [356] = {"", "", RANGES({"[2357-9]", 8, 8})},                     /* Malta */
    [357] = {"", "", RANGES({"[257-9]", 8, 8})},                      /* Cyprus */
    [358] = {"0", "", RANGES({"4|50", 6, 10}, {"[1-35-9]", 5, 10})},  /* Finland */
    /* Bulgaria */
    [359] = {"0", "", RANGES({"8[7-9]|98", 9, 9}, {"99", 8, 9}, {"2", 6, 8}, {"[3-9]", 7, 8})},
    [36] = {"06", "", RANGES({"[2357][01]|38", 9, 9}, {"[1-9]", 8, 8})}, /* Hungary */
    [370] = {"0|8", "", RANGES({"[3-79]|80", 8, 8})},                 /* Lithuania */
    [371] = {"", "", RANGES({"[2689]", 8, 8})},                       /* Latvia */
    [372] = {"", "", RANGES({"[3469]", 7, 7}, {"[578]", 7, 8})},      /* Estonia */
    [373] = {"0", "", RANGES({"[235-9]", 8, 8})},                     /* Moldova */
    [374] = {"0", "", RANGES({"[1-9]", 8, 8})},                       /* Armenia */
    [375] = {"80|8|0", "810", RANGES({"1[5-7]|[2-4]", 9, 9})},        /* Belarus */
    [376] = {"", "", RANGES({"6", 6, 9}, {"1", 6, 8}, {"[357-9]", 6, 6})}, /* Andorra */
    [377] = {"0", "", RANGES({"[67]", 9, 9}, {"[3489]", 8, 8})},      /* Monaco */
    [378] = {"", "", RANGES({"0[1-9]", 10, 10}, {"[5-7]", 8, 8})},    /* San Marino */
    [380] = {"0", "", RANGES({"[3-9]", 9, 9})},                       /* Ukraine */
    /* Serbia */
    [381] = {"0", "", RANGES({"67", 9, 10}, {"6", 8, 9}, {"[1-3]", 7, 10}, {"[7-9]", 6, 10})},
    [382] = {"0", "", RANGES({"[2-79]", 8, 8}, {"8", 8, 9})},         /* Montenegro */
    [383] = {"0", "", RANGES({"2", 8, 9}, {"3", 8, 10}, {"[489]", 8, 8})}, /* Kosovo */
    [385] = {"0", "", RANGES({"1", 8, 8}, {"[2-59]", 8, 9}, {"[6-8]", 7, 9})}, /* Croatia */
    [386] = {"0", "", RANGES({"[1-8]", 8, 8})},                       /* Slovenia */
    [387] = {"0", "", RANGES({"6", 8, 9}, {"[3-57-9]", 8, 8})},       /* Bosnia */
    [389] = {"0", "", RANGES({"[2-578]", 8, 8})},                     /* North Macedonia */
    /* Italy */
    [39] = {"", "", RANGES({"0[1-9]", 6, 11}, {"3", 9, 10}, {"[145]", 9, 10}, {"8", 6, 10})},
    [40] = {"0", "", RANGES({"[237-9]", 9, 9})},                      /* Romania */
    [41] = {"0", "", RANGES({"[2-9]", 9, 9})},                        /* Switzerland */
    [420] = {"", "", RANGES({"[2-9]", 9, 9})},                        /* Czechia */
    [421] = {"0", "", RANGES({"[2-9]", 9, 9})},                       /* Slovakia */
    [423] = {"0", "", RANGES({"6", 9, 9}, {"[237-9]", 7, 7})},        /* Liechtenstein */
    /* Austria */
    [43] = {"0", "", RANGES({"1", 6, 13}, {"6[5-9]", 7, 13}, {"435", 7, 11},
        {"[235-9]|4[0-24-9]", 6, 13})},
    [44] = {"0", "", RANGES({"1", 9, 10}, {"8", 9, 10}, {"[23579]", 10, 10})}, /* United Kingdom */
    [45] = {"", "", RANGES({"[2-9]", 8, 8})},                         /* Denmark */
    [46] = {"0", "", RANGES({"7", 9, 9}, {"[1-689]", 7, 9})},         /* Sweden */
    [47] = {"", "", RANGES({"5[89]", 12, 12}, {"[2-9]", 8, 8})},      /* Norway */
    [48] = {"", "", RANGES({"[1-9]", 9, 9})},                         /* Poland */
    /* Germany */
    [49] = {"0", "", RANGES({"15", 11, 11}, {"1[67]", 10, 11}, {"1", 7, 11},
        {"490[23]|49[125]|493[1-9]|49[46][1-8]|497[1-7]", 6, 11}, {"[235-9]|4[0-8]", 6, 13})},

    /* Latin America */
    [500] = {"", "", RANGES({"[2-7]", 5, 5})},                        /* Falklands */
    [501] = {"", "", RANGES({"[2-8]", 7, 7})},                        /* Belize */
    [502] = {"", "", RANGES({"[2-8]", 8, 8})},                        /* Guatemala */
    [503] = {"", "", RANGES({"[25-7]", 8, 8})},                       /* El Salvador */
    [504] = {"", "", RANGES({"[237-9]", 8, 8})},                      /* Honduras */
    [505] = {"", "", RANGES({"[125-8]", 8, 8})},                      /* Nicaragua */
    [506] = {"", "", RANGES({"[2-8]", 8, 8})},                        /* Costa Rica */
    [507] = {"", "", RANGES({"6", 8, 8}, {"[1-57-9]", 7, 7})},        /* Panama */
    [508] = {"0", "", RANGES({"[78]", 6, 9}, {"[2-69]", 6, 6})},      /* Saint Pierre */
    [509] = {"", "", RANGES({"[2-589]", 8, 8})},                      /* Haiti */
    [51] = {"0", "", RANGES({"9", 9, 9}, {"[14-8]", 8, 8})},          /* Peru */
    [52] = {"01|04[45]", "", RANGES({"[2-9]", 10, 10})},              /* Mexico */
    [53] = {"0", "119", RANGES({"[56]", 8, 8}, {"[2-47]", 6, 8})},    /* Cuba */
    [54] = {"0", "", RANGES({"9", 11, 11}, {"11|[2368]", 10, 10})},   /* Argentina */
    /* Brazil */
    [55] = {"0[1-9][1-9]|0", "", RANGES({"[1-9][1-9]9", 11, 11},
        {"[1-9][1-9][2-8]|[3-9]00", 10, 10})},
    [56] = {"0", "", RANGES({"[2-9]", 9, 9})},                        /* Chile */
    [57] = {"0[3579]|0", "", RANGES({"[369]", 10, 10})},              /* Colombia */
    [58] = {"0", "", RANGES({"[2-9]", 10, 10})},                      /* Venezuela */
    [590] = {"0", "", RANGES({"[5-9]", 9, 9})},                       /* Guadeloupe */
    [591] = {"01[0-9]|0", "", RANGES({"[2-7]", 8, 8})},               /* Bolivia */
    [592] = {"", "001", RANGES({"[2-9]", 7, 7})},                     /* Guyana */
    [593] = {"0", "", RANGES({"9", 9, 9}, {"[2-7]", 8, 8})},          /* Ecuador */
    [594] = {"0", "", RANGES({"[5-9]", 9, 9})},                       /* French Guiana */
    [595] = {"0", "", RANGES({"9", 9, 9}, {"[2-8]", 7, 9})},          /* Paraguay */
    [596] = {"0", "", RANGES({"[5-9]", 9, 9})},                       /* Martinique */
    [597] = {"", "", RANGES({"[2-5]", 6, 6}, {"[6-9]", 7, 7})},       /* Suriname */
    [598] = {"0", "", RANGES({"[1249]", 8, 8})},                      /* Uruguay */
    [599] = {"", "", RANGES({"9", 8, 8}, {"[3467]", 7, 7})},          /* Curacao */

    /* South-East Asia and Oceania */
    /* Malaysia */
    [60] = {"0", "", RANGES({"11", 10, 10}, {"1[5-9]", 9, 10}, {"[13]", 9, 9}, {"[4-9]", 8, 8})},
    [61] = {"0", "0011", RANGES({"[2-478]|14", 9, 9})},               /* Australia */
    [62] = {"0", "001|007|008|009", RANGES({"8", 9, 12}, {"[2-79]", 7, 10})}, /* Indonesia */
    [63] = {"0", "", RANGES({"9", 10, 10}, {"8", 9, 10}, {"[2-7]", 9, 9})}, /* Philippines */
    /* New Zealand */
    [64] = {"0", "", RANGES({"2", 8, 10}, {"70", 9, 9}, {"[58]0", 9, 10}, {"[34679]", 8, 8})},
    [65] = {"", "001|002|008|018|019", RANGES({"[3689]", 8, 8})},     /* Singapore */
    [66] = {"0", "00[1-9]", RANGES({"14|[689]", 9, 9}, {"[1-57]", 8, 8})}, /* Thailand */
    [670] = {"", "", RANGES({"7", 8, 8}, {"[2-489]", 7, 7})},         /* East Timor */
    [672] = {"", "", RANGES({"[13]", 6, 6})},                         /* Norfolk Island */
    [673] = {"", "", RANGES({"[2-578]", 7, 7})},                      /* Brunei */
    [674] = {"", "", RANGES({"[24-9]", 7, 7})},                       /* Nauru */
    [675] = {"", "", RANGES({"7", 8, 8}, {"8", 7, 8}, {"[1-69]", 7, 7})}, /* Papua New Guinea */
    [676] = {"", "", RANGES({"[2-4]", 5, 5}, {"[5-8]", 5, 7}, {"9", 7, 7})}, /* Tonga */
    [677] = {"", "", RANGES({"[1-5]", 5, 5}, {"6", 5, 7}, {"[7-9]", 7, 7})}, /* Solomon Islands */
    [678] = {"", "", RANGES({"[2-4]", 5, 5}, {"8", 5, 7}, {"[579]", 7, 7})}, /* Vanuatu */
    [679] = {"", "", RANGES({"[2-9]", 7, 7})},                        /* Fiji */
    [680] = {"", "011|012", RANGES({"[2-9]", 7, 7})},                 /* Palau */
    [681] = {"", "", RANGES({"[47-9]", 6, 6})},                       /* Wallis and Futuna */
    [682] = {"", "", RANGES({"[2-578]", 5, 5})},                      /* Cook Islands */
    [683] = {"", "", RANGES({"8", 7, 7}, {"[4-7]", 4, 4})},           /* Niue */
    [685] = {"", "", RANGES({"[2-5]", 5, 5}, {"6", 5, 6}, {"7", 7, 7}, {"8", 7, 10})}, /* Samoa */
    [686] = {"0", "", RANGES({"6[0-7]|7", 8, 8}, {"3", 5, 8}, {"[2458]", 5, 5})}, /* Kiribati */
    [687] = {"", "", RANGES({"[2-57-9]", 6, 6})},                     /* New Caledonia */
    [688] = {"", "", RANGES({"2", 5, 5}, {"7", 7, 7}, {"9", 6, 6})},  /* Tuvalu */
    [689] = {"", "", RANGES({"[48]", 8, 8})},                         /* French Polynesia */
    [690] = {"", "", RANGES({"[2-47]", 4, 7})},                       /* Tokelau */
    [691] = {"", "", RANGES({"[389]", 7, 7})},                        /* Micronesia */
    [692] = {"1", "011", RANGES({"[2-6]", 7, 7})},                    /* Marshall Islands */

    /* Russia and Kazakhstan; an 8 in front is the trunk prefix, unless an area code goes on */
    [7] = {"8", "810", RANGES({"[34679]|80|81[1-9]|8[2-7]", 10, 10})},

    /* Asia */
    [81] = {"0", "010", RANGES({"[25-9]0", 10, 10}, {"[1-9][1-9]", 9, 9})}, /* Japan */
    /* Korea */
    [82] = {"0", "001|002|005|006|008|00700", RANGES({"10|70", 10, 10}, {"50", 10, 11}, {"2", 8, 9},
        {"1[1-9]|3[1-3]|4[1-4]|5[1-5]|6[0-4]", 9, 10}, {"80", 9, 9})},
    [84] = {"0", "", RANGES({"2", 10, 10}, {"[135-9]", 9, 9})},       /* Vietnam */
    [850] = {"0", "", RANGES({"1", 10, 10}, {"[2-8]", 8, 8})},        /* North Korea */
    [852] = {"", "001", RANGES({"[2-9]", 8, 8})},                     /* Hong Kong */
    [853] = {"", "", RANGES({"[268]", 8, 8})},                        /* Macao */
    [855] = {"0", "001|007|008", RANGES({"[1-9]", 8, 9})},            /* Cambodia */
    [856] = {"0", "", RANGES({"20", 10, 10}, {"30", 9, 9}, {"[2-8]", 8, 8})}, /* Laos */
    [86] = {"0", "", RANGES({"1[3-9]", 11, 11}, {"10|2", 10, 10}, {"[3-9]", 10, 11})}, /* China */
    [880] = {"0", "", RANGES({"1", 10, 10}, {"2", 8, 10}, {"[3-9]", 7, 10})}, /* Bangladesh */
    /* Taiwan */
    [886] = {"0", "002|005|006|007|009|019", RANGES({"9", 9, 9}, {"70", 10, 11}, {"[2-8]", 8, 9})},
    [90] = {"0", "", RANGES({"[2-589]", 10, 10})},                    /* Turkey */
    [91] = {"0", "", RANGES({"[1-9]", 10, 10})},                      /* India */
    [92] = {"0", "", RANGES({"3", 10, 10}, {"1", 9, 9}, {"[24-9]", 9, 10})}, /* Pakistan */
    [93] = {"0", "", RANGES({"[2-7]", 9, 9})},                        /* Afghanistan */
    [94] = {"0", "", RANGES({"[1-9]", 9, 9})},                        /* Sri Lanka */
    /* Myanmar */
    [95] = {"0", "", RANGES({"95", 8, 8}, {"9", 8, 10}, {"1", 6, 8}, {"2", 6, 9}, {"[4-8]", 7, 9})},
    [960] = {"", "", RANGES({"[34679]", 7, 7})},                      /* Maldives */
    [961] = {"0", "", RANGES({"[78]", 7, 8}, {"2", 8, 8}, {"[13-69]", 7, 7})}, /* Lebanon */
    [962] = {"0", "", RANGES({"[47]", 9, 9}, {"[235689]", 8, 8})},    /* Jordan */
    [963] = {"0", "", RANGES({"9", 9, 9}, {"[1-5]", 8, 9})},          /* Syria */
    [964] = {"0", "", RANGES({"7", 10, 10}, {"1", 8, 8}, {"[2-6]", 8, 9})}, /* Iraq */
    [965] = {"", "", RANGES({"[24-69]", 8, 8})},                      /* Kuwait */
    [966] = {"0", "", RANGES({"[159]", 9, 9}, {"8", 10, 10})},        /* Saudi Arabia */
    /* Yemen */
    [967] = {"0", "", RANGES({"7[0137]", 9, 9}, {"78", 7, 9}, {"1", 7, 8}, {"[2-7]", 7, 7})},
    [968] = {"", "", RANGES({"[1279]", 8, 8})},                       /* Oman */
    [970] = {"0", "", RANGES({"5", 9, 9}, {"[2489]", 8, 8})},         /* Palestine */
    [971] = {"0", "", RANGES({"5", 9, 9}, {"[2-4679]", 8, 8})},       /* Emirates */
    [972] = {"0", "012|013|014|018", RANGES({"[57]", 9, 9}, {"[2-489]", 8, 8})}, /* Israel */
    [973] = {"", "", RANGES({"[136-9]", 8, 8})},                      /* Bahrain */
    [974] = {"", "", RANGES({"[3-7]", 8, 8})},                        /* Qatar */
    [975] = {"", "", RANGES({"1", 8, 8}, {"[78]", 7, 8}, {"[2-6]", 7, 7})}, /* Bhutan */
    [976] = {"0", "001", RANGES({"[12]", 8, 10}, {"[5-9]", 8, 8})},   /* Mongolia */
    [977] = {"0", "", RANGES({"98", 10, 10}, {"9", 8, 10}, {"[1-8]", 8, 8})}, /* Nepal */
    [98] = {"0", "", RANGES({"[1-9]", 10, 10})},                      /* Iran */
    [992] = {"8", "810", RANGES({"", 9, 9})},                         /* Tajikistan */
    [993] = {"8", "810", RANGES({"[1-7]", 8, 8})},                    /* Turkmenistan */
    [994] = {"0", "", RANGES({"[1-9]", 9, 9})},                       /* Azerbaijan */
    [995] = {"0", "", RANGES({"[3-578]", 9, 9})},                     /* Georgia */
    [996] = {"0", "", RANGES({"[235-9]", 9, 9})},                     /* Kyrgyzstan */
    [998] = {"8", "", RANGES({"[235-79]|8[0-8]", 9, 9})},             /* Uzbekistan */

    /* No country's, so nothing is dialled within: freephone, satellites, networks, premium rate */
    [800] = {NULL, NULL, RANGES({"", 8, 8})},
    [808] = {NULL, NULL, RANGES({"", 8, 8})},
    [870] = {NULL, NULL, RANGES({"7", 9, 12}, {"", 9, 9})},
    [878] = {NULL, NULL, RANGES({"1", 12, 12})},
    [881] = {NULL, NULL, RANGES({"6", 9, 10}, {"", 9, 9})},
    [882] = {NULL, NULL, RANGES({"", 7, 12})},
    [883] = {NULL, NULL, RANGES({"", 8, 12})},
    [888] = {NULL, NULL, RANGES({"", 11, 11})},
    [979] = {NULL, NULL, RANGES({"", 9, 9})},
};
/* clang-format on */

/* Their mobile numbers have digits of their own, which come and go. */
static const struct plan *const MEXICO = &PLANS[52];
static const struct plan *const ARGENTINA = &PLANS[54];

/* --- patterns --------------------------------------------------------------------------------- */

/* Tells whether a set has the digit. `*set` points behind its "[", and is moved behind its "]". */
static bool set_has(const char **set, char digit)
{
    bool has = false;
    const char *p = *set;
    for (; *p != ']'; p++) {
        char last = p[1] == '-' ? p[2] : *p;
        has = has || (digit >= *p && digit <= last);
        p += p[1] == '-' ? 2 : 0;
    }
    *set = p + 1;
    return has;
}

/*
 * Matches the alternative that `*pattern` points at, and moves on to the next one; to NULL after
 * the last. Returns how many digits match it, or -1.
 */
static int match_next(const char **pattern, const char *digits, size_t len)
{
    const char *p = *pattern;
    size_t matched = 0;
    bool is_match = true;
    while (*p != '\0' && *p != '|') {
        char digit = matched < len ? digits[matched] : '\0';
        if (*p == '[') {
            p++;
            is_match = set_has(&p, digit) && is_match;
        } else {
            is_match = *p++ == digit && is_match;
        }
        matched++;
    }
    *pattern = *p == '|' ? p + 1 : NULL;
    return is_match ? (int)matched : -1;
}

static bool begins(const char *pattern, const char *digits, size_t len)
{
    while (pattern != NULL) {
        if (match_next(&pattern, digits, len) >= 0) {
            return true;
        }
    }
    return false;
}

/* --- plans ------------------------------------------------------------------------------------ */

const struct plan *plan_find(const char *digits, size_t len, size_t *code_len)
{
    size_t code = 0;
    for (size_t i = 0; i < len && i < 3; i++) {
        code = code * 10 + (size_t)(digits[i] - '0');
        if (PLANS[code].ranges != NULL) {
            *code_len = i + 1;
            return digits[0] == '0' ? NULL : &PLANS[code];
        }
    }
    return NULL;
}

bool plan_is_national(const struct plan *plan)
{
    return plan->trunk != NULL;
}

/* How far off digits are that no range matches: by their length, if that is wrong for all ranges. */
static enum plan_fit fit_none(const struct plan *plan, size_t len)
{
    bool is_too_short = true;
    bool is_too_long = true;
    for (const struct range *range = plan->ranges; range->first != NULL; range++) {
        is_too_short = is_too_short && len < range->shortest;
        is_too_long = is_too_long && len > range->longest;
    }
    return is_too_short ? PLAN_TOO_SHORT : is_too_long ? PLAN_TOO_LONG : PLAN_NO_MATCH;
}

static enum plan_fit fit(const struct plan *plan, const char *digits, size_t len, bool *is_open)
{
    const struct range *range = plan->ranges;
    while (range->first != NULL && !begins(range->first, digits, len)) {
        range++;
    }
    if (range->first == NULL) {
        return fit_none(plan, len);
    }
    *is_open = range->shortest < range->longest;
    return len < range->shortest  ? PLAN_TOO_SHORT
           : len > range->longest ? PLAN_TOO_LONG
                                  : PLAN_FITS;
}

static enum plan_fit take(const struct plan *plan, const char *digits, size_t len,
                          struct national *national)
{
    bool is_open = false;
    enum plan_fit result = fit(plan, digits, len, &is_open);
    if (result == PLAN_FITS) {
        memcpy(national->digits, digits, len);
        national->digits[len] = '\0';
        national->is_loose = is_open;
    }
    return result;
}

/* Until 2019, a mobile number was "+52 1 55 1234 5678". */
static bool take_mexican(const struct plan *plan, enum plan_side side, const char *digits,
                         size_t len, struct national *national)
{
    return side == PLAN_ABROAD && len > 0 && digits[0] == '1' &&
           take(plan, digits + 1, len - 1, national) == PLAN_FITS;
}

/* "11 15 2345 6789" is "9 11 2345 6789": behind an area code of 2 to 4 digits, "15" is mobile. */
static bool take_argentine(const struct plan *plan, const char *digits, size_t len,
                           struct national *national)
{
    enum { WITH_15 = 12, AREA_MAX = 4 };
    size_t trunk = len > 0 && digits[0] == '0' ? 1 : 0;
    digits += trunk;
    if (len - trunk != WITH_15) {
        return false;
    }
    for (size_t area = digits[0] == '1' ? 2 : 3; area <= AREA_MAX; area++) {
        if (digits[area] == '1' && digits[area + 1] == '5') {
            char mobile[WITH_15] = "9";
            memcpy(mobile + 1, digits, area);
            memcpy(mobile + 1 + area, digits + area + 2, WITH_15 - 2 - area);
            return take(plan, mobile, WITH_15 - 1, national) == PLAN_FITS;
        }
    }
    return false;
}

enum plan_fit plan_read(const struct plan *plan, enum plan_side side, const char *digits,
                        size_t len, struct national *national)
{
    if (side == PLAN_WITHIN && !plan_is_national(plan)) {
        return PLAN_NO_MATCH;
    }
    enum plan_fit result = take(plan, digits, len, national);
    if (result == PLAN_FITS) {
        national->is_loose = national->is_loose && side == PLAN_WITHIN && plan->trunk[0] != '\0';
        return PLAN_FITS;
    }
    for (const char *trunk = plan->trunk; trunk != NULL && result != PLAN_FITS;) {
        int used = match_next(&trunk, digits, len);
        if (used > 0) {
            result = take(plan, digits + used, len - (size_t)used, national);
        }
    }
    if (result == PLAN_FITS ||
        (plan == MEXICO && take_mexican(plan, side, digits, len, national)) ||
        (plan == ARGENTINA && take_argentine(plan, digits, len, national))) {
        national->is_loose = false;
        return PLAN_FITS;
    }
    return result;
}

size_t plan_exit_prefix(const struct plan *plan, const char *digits, size_t len)
{
    for (const char *prefix = plan->exit; prefix != NULL;) {
        int used = match_next(&prefix, digits, len);
        if (used > 0) {
            return (size_t)used;
        }
    }
    return 0;
}
