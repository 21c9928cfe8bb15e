/*
 * plan: see plan.h. Owns the table of plans, and the patterns in it. Pure; any thread.
 */
#include "proto/plan.h"

#include <stdint.h>
#include <string.h>

/* Numbers that begin alike: the least and the most digits they have, behind the calling code. */
struct span {
    const char *first; /* pattern of the first digits; "" = any */
    uint8_t shortest, longest;
};

/*
 * Patterns are digits, sets of them ("[2-5]") and alternatives ("0|8"). The first span whose
 * pattern matches decides. A zero in front that no span allows is a trunk prefix or a mistake.
 *
 * The spans are those of numbers that a person can have. Service numbers (freephone, premium rate)
 * of other lengths are left out: nobody reads an SMS there, and the wider a plan, the more typing
 * errors fit it.
 */
struct plan {
    const char *trunk; /* dialled before a number within the country; NULL = it is no country's */
    const char *exit;  /* dialled before an international number, besides "00" */
    const struct span *spans; /* the last one has no pattern */
};

/* clang-format off */
#define SPANS(...) (const struct span[]){__VA_ARGS__, {NULL, 0, 0}}

/* By calling code. No code is the start of another one: one to three digits find the row. */
static const struct plan PLANS[1000] = {
    /* North America */
    [1] = {"", "011", SPANS({"[2-9]", 10, 10})},

    /* Africa, and islands off Europe and America */
    /* Egypt */
    [20] = {"0", "", SPANS({"1[0-25]", 10, 10}, {"1", 9, 9}, {"3", 8, 8}, {"5", 8, 9},
        {"[24689]", 9, 9})},
    [211] = {"0", "", SPANS({"[19]", 9, 9})},                        /* South Sudan */
    [212] = {"0", "", SPANS({"[5-8]", 9, 9})},                       /* Morocco */
    [213] = {"0", "", SPANS({"[1-4]", 8, 8}, {"[5-9]", 9, 9})},      /* Algeria */
    [216] = {"", "", SPANS({"[2-57-9]", 8, 8})},                     /* Tunisia */
    [218] = {"0", "", SPANS({"[2-9]", 9, 9})},                       /* Libya */
    [220] = {"", "", SPANS({"[48]", 7, 9}, {"[235-79]", 7, 7})},     /* Gambia */
    [221] = {"", "", SPANS({"[37-9]", 9, 9})},                       /* Senegal */
    [222] = {"", "", SPANS({"[2-48]", 8, 8})},                       /* Mauritania */
    [223] = {"", "", SPANS({"[24-9]", 8, 8})},                       /* Mali */
    [224] = {"", "", SPANS({"3", 8, 8}, {"[67]", 9, 9})},            /* Guinea */
    [225] = {"", "", SPANS({"0[1-9]|2", 10, 10})},                   /* Ivory Coast */
    [226] = {"", "", SPANS({"0[1-9]|[24-7]", 8, 8})},                /* Burkina Faso */
    [227] = {"", "", SPANS({"0[1-9]|[27-9]", 8, 8})},                /* Niger */
    [228] = {"", "", SPANS({"[279]", 8, 8})},                        /* Togo */
    [229] = {"", "", SPANS({"01", 10, 10})},                         /* Benin */
    [230] = {"", "", SPANS({"[57]", 8, 8}, {"[2-468]", 7, 7})},      /* Mauritius */
    /* Liberia */
    [231] = {"0", "", SPANS({"2", 8, 9}, {"[45]", 7, 9}, {"6", 7, 7}, {"[378]", 9, 9})},
    [232] = {"0", "", SPANS({"[236-9]", 8, 8})},                     /* Sierra Leone */
    [233] = {"0", "", SPANS({"[235]", 9, 9}, {"8", 8, 9})},          /* Ghana */
    [234] = {"0", "009", SPANS({"[27-9]", 10, 10})},                 /* Nigeria */
    [235] = {"", "", SPANS({"[236-9]", 8, 8})},                      /* Chad */
    [236] = {"", "", SPANS({"[26-8]", 8, 8})},                       /* Central Africa */
    [237] = {"", "", SPANS({"[26]", 9, 9}, {"8", 8, 9})},            /* Cameroon */
    [238] = {"", "", SPANS({"[2-589]", 7, 7})},                      /* Cape Verde */
    [239] = {"", "", SPANS({"[29]", 7, 7})},                         /* Sao Tome */
    [240] = {"", "", SPANS({"[23589]", 9, 9})},                      /* Equatorial Guinea */
    [241] = {"0", "", SPANS({"0[1-9]|[167]", 8, 8})},                /* Gabon */
    [242] = {"", "", SPANS({"0[1-9]|[28]", 9, 9})},                  /* Congo */
    /* DR Congo */
    [243] = {"0", "", SPANS({"[89]", 9, 9}, {"1", 7, 9}, {"2", 7, 8}, {"[346]", 7, 7},
        {"5", 7, 10})},
    [244] = {"", "", SPANS({"[29]", 9, 9})},                         /* Angola */
    [245] = {"", "", SPANS({"4", 7, 9}, {"9", 9, 9})},               /* Guinea-Bissau */
    [246] = {"", "", SPANS({"3", 7, 7})},                            /* Diego Garcia */
    [247] = {"", "", SPANS({"[2-467]", 5, 5}, {"[01589]", 6, 6})},   /* Ascension */
    [248] = {"", "", SPANS({"[24689]", 7, 7})},                      /* Seychelles */
    [249] = {"0", "", SPANS({"[19]", 9, 9})},                        /* Sudan */
    [250] = {"0", "", SPANS({"06", 8, 8}, {"[27-9]", 9, 9})},        /* Rwanda */
    [251] = {"0", "", SPANS({"[1-57-9]", 9, 9})},                    /* Ethiopia */
    /* Somalia */
    [252] = {"0", "", SPANS({"1", 6, 8}, {"2", 7, 8}, {"[348]", 6, 9}, {"5", 7, 7},
        {"[679]", 8, 9})},
    [253] = {"", "", SPANS({"[27]", 8, 8})},                         /* Djibouti */
    /* Kenya */
    [254] = {"0", "000", SPANS({"[17]", 9, 9}, {"2", 8, 9}, {"[4-6]", 7, 9}, {"[89]", 9, 10})},
    [255] = {"0", "000|005|006", SPANS({"[246-9]", 9, 9})},          /* Tanzania */
    [256] = {"0", "000|005|007", SPANS({"[2-47-9]", 9, 9})},         /* Uganda */
    [257] = {"", "", SPANS({"[2367]", 8, 8})},                       /* Burundi */
    [258] = {"", "", SPANS({"2", 8, 8}, {"8", 9, 9})},               /* Mozambique */
    [260] = {"0", "", SPANS({"[25-9]", 9, 9})},                      /* Zambia */
    [261] = {"0", "", SPANS({"[23]", 9, 9})},                        /* Madagascar */
    [262] = {"0", "", SPANS({"[26-9]", 9, 9})},                      /* Reunion */
    [263] = {"0", "", SPANS({"7", 9, 9}, {"86", 10, 10}, {"[1-689]", 7, 9})}, /* Zimbabwe */
    [264] = {"0", "", SPANS({"[68]", 8, 9})},                        /* Namibia */
    [265] = {"0", "", SPANS({"1", 7, 9}, {"[237-9]", 9, 9})},        /* Malawi */
    [266] = {"", "", SPANS({"[2568]", 8, 8})},                       /* Lesotho */
    [267] = {"", "", SPANS({"7", 8, 8}, {"[2-69]", 7, 7})},          /* Botswana */
    [268] = {"", "", SPANS({"[237]", 8, 8}, {"9", 9, 9})},           /* Eswatini */
    [269] = {"", "", SPANS({"[3478]", 7, 7})},                       /* Comoros */
    [27] = {"0", "", SPANS({"[1-9]", 9, 9})},                        /* South Africa */
    [290] = {"", "", SPANS({"[2569]", 5, 5}, {"8", 4, 4})},          /* Saint Helena */
    [291] = {"0", "", SPANS({"[178]", 7, 7})},                       /* Eritrea */
    [297] = {"", "", SPANS({"[25-9]", 7, 7})},                       /* Aruba */
    [298] = {"", "", SPANS({"[2-9]", 6, 6})},                        /* Faroes */
    [299] = {"", "", SPANS({"[1-9]", 6, 6})},                        /* Greenland */

    /* Europe */
    [30] = {"", "", SPANS({"[2-9]", 10, 10})},                       /* Greece */
    [31] = {"0", "", SPANS({"[1-8]", 9, 9}, {"97", 11, 11})},        /* Netherlands */
    [32] = {"0", "", SPANS({"4[5-9]", 9, 9}, {"[1-9]", 8, 8})},      /* Belgium */
    [33] = {"0", "", SPANS({"[1-9]", 9, 9})},                        /* France */
    [34] = {"", "", SPANS({"", 9, 9})},                              /* Spain */
    [350] = {"", "", SPANS({"[256]", 8, 8})},                        /* Gibraltar */
    [351] = {"", "", SPANS({"[1-36-9]", 9, 9})},                     /* Portugal */
    [352] = {"", "", SPANS({"6", 9, 9}, {"[2-57-9]", 4, 10})},       /* Luxembourg */
    /* Ireland */
    [353] = {"0", "", SPANS({"1", 8, 9}, {"[2569]", 7, 9}, {"4", 7, 10}, {"[78]", 9, 9})},
    [354] = {"", "", SPANS({"3", 9, 9}, {"[4-9]", 7, 7})},           /* Iceland */
    [355] = {"0", "", SPANS({"6", 9, 9}, {"[2-578]", 8, 8})},        /* Albania */
    [356] = {"", "", SPANS({"[2357-9]", 8, 8})},                     /* Malta */
    [357] = {"", "", SPANS({"[257-9]", 8, 8})},                      /* Cyprus */
    [358] = {"0", "", SPANS({"4|50", 6, 10}, {"[1-35-9]", 5, 10})},  /* Finland */
    /* Bulgaria */
    [359] = {"0", "", SPANS({"8[7-9]|98", 9, 9}, {"99", 8, 9}, {"2", 6, 8}, {"[3-9]", 7, 8})},
    [36] = {"06", "", SPANS({"[2357][01]|38", 9, 9}, {"[1-9]", 8, 8})}, /* Hungary */
    [370] = {"0|8", "", SPANS({"[3-79]|80", 8, 8})},                 /* Lithuania */
    [371] = {"", "", SPANS({"[2689]", 8, 8})},                       /* Latvia */
    [372] = {"", "", SPANS({"[3469]", 7, 7}, {"[578]", 7, 8})},      /* Estonia */
    [373] = {"0", "", SPANS({"[235-9]", 8, 8})},                     /* Moldova */
    [374] = {"0", "", SPANS({"[1-9]", 8, 8})},                       /* Armenia */
    [375] = {"80|8|0", "810", SPANS({"1[5-7]|[2-4]", 9, 9})},        /* Belarus */
    [376] = {"", "", SPANS({"6", 6, 9}, {"1", 6, 8}, {"[357-9]", 6, 6})}, /* Andorra */
    [377] = {"0", "", SPANS({"[67]", 9, 9}, {"[3489]", 8, 8})},      /* Monaco */
    [378] = {"", "", SPANS({"0[1-9]", 10, 10}, {"[5-7]", 8, 8})},    /* San Marino */
    [380] = {"0", "", SPANS({"[3-9]", 9, 9})},                       /* Ukraine */
    /* Serbia */
    [381] = {"0", "", SPANS({"67", 9, 10}, {"6", 8, 9}, {"[1-3]", 7, 10}, {"[7-9]", 6, 10})},
    [382] = {"0", "", SPANS({"[2-79]", 8, 8}, {"8", 8, 9})},         /* Montenegro */
    [383] = {"0", "", SPANS({"2", 8, 9}, {"3", 8, 10}, {"[489]", 8, 8})}, /* Kosovo */
    [385] = {"0", "", SPANS({"1", 8, 8}, {"[2-59]", 8, 9}, {"[6-8]", 7, 9})}, /* Croatia */
    [386] = {"0", "", SPANS({"[1-8]", 8, 8})},                       /* Slovenia */
    [387] = {"0", "", SPANS({"6", 8, 9}, {"[3-57-9]", 8, 8})},       /* Bosnia */
    [389] = {"0", "", SPANS({"[2-578]", 8, 8})},                     /* North Macedonia */
    /* Italy */
    [39] = {"", "", SPANS({"0[1-9]", 6, 11}, {"3", 9, 10}, {"[145]", 9, 10}, {"8", 6, 10})},
    [40] = {"0", "", SPANS({"[237-9]", 9, 9})},                      /* Romania */
    [41] = {"0", "", SPANS({"[2-9]", 9, 9})},                        /* Switzerland */
    [420] = {"", "", SPANS({"[2-9]", 9, 9})},                        /* Czechia */
    [421] = {"0", "", SPANS({"[2-9]", 9, 9})},                       /* Slovakia */
    [423] = {"0", "", SPANS({"6", 9, 9}, {"[237-9]", 7, 7})},        /* Liechtenstein */
    /* Austria */
    [43] = {"0", "", SPANS({"1", 6, 13}, {"6[5-9]", 7, 13}, {"435", 7, 11},
        {"[235-9]|4[0-24-9]", 6, 13})},
    [44] = {"0", "", SPANS({"1", 9, 10}, {"8", 9, 10}, {"[23579]", 10, 10})}, /* United Kingdom */
    [45] = {"", "", SPANS({"[2-9]", 8, 8})},                         /* Denmark */
    [46] = {"0", "", SPANS({"7", 9, 9}, {"[1-689]", 7, 9})},         /* Sweden */
    [47] = {"", "", SPANS({"5[89]", 12, 12}, {"[2-9]", 8, 8})},      /* Norway */
    [48] = {"", "", SPANS({"[1-9]", 9, 9})},                         /* Poland */
    /* Germany */
    [49] = {"0", "", SPANS({"15", 11, 11}, {"1[67]", 10, 11}, {"1", 7, 11},
        {"490[23]|49[125]|493[1-9]|49[46][1-8]|497[1-7]", 6, 11}, {"[235-9]|4[0-8]", 6, 13})},

    /* Latin America */
    [500] = {"", "", SPANS({"[2-7]", 5, 5})},                        /* Falklands */
    [501] = {"", "", SPANS({"[2-8]", 7, 7})},                        /* Belize */
    [502] = {"", "", SPANS({"[2-8]", 8, 8})},                        /* Guatemala */
    [503] = {"", "", SPANS({"[25-7]", 8, 8})},                       /* El Salvador */
    [504] = {"", "", SPANS({"[237-9]", 8, 8})},                      /* Honduras */
    [505] = {"", "", SPANS({"[125-8]", 8, 8})},                      /* Nicaragua */
    [506] = {"", "", SPANS({"[2-8]", 8, 8})},                        /* Costa Rica */
    [507] = {"", "", SPANS({"6", 8, 8}, {"[1-57-9]", 7, 7})},        /* Panama */
    [508] = {"0", "", SPANS({"[78]", 6, 9}, {"[2-69]", 6, 6})},      /* Saint Pierre */
    [509] = {"", "", SPANS({"[2-589]", 8, 8})},                      /* Haiti */
    [51] = {"0", "", SPANS({"9", 9, 9}, {"[14-8]", 8, 8})},          /* Peru */
    [52] = {"01|04[45]", "", SPANS({"[2-9]", 10, 10})},              /* Mexico */
    [53] = {"0", "119", SPANS({"[56]", 8, 8}, {"[2-47]", 6, 8})},    /* Cuba */
    [54] = {"0", "", SPANS({"9", 11, 11}, {"11|[2368]", 10, 10})},   /* Argentina */
    /* Brazil */
    [55] = {"0[1-9][1-9]|0", "", SPANS({"[1-9][1-9]9", 11, 11},
        {"[1-9][1-9][2-8]|[3-9]00", 10, 10})},
    [56] = {"0", "", SPANS({"[2-9]", 9, 9})},                        /* Chile */
    [57] = {"0[3579]|0", "", SPANS({"[369]", 10, 10})},              /* Colombia */
    [58] = {"0", "", SPANS({"[2-9]", 10, 10})},                      /* Venezuela */
    [590] = {"0", "", SPANS({"[5-9]", 9, 9})},                       /* Guadeloupe */
    [591] = {"01[0-9]|0", "", SPANS({"[2-7]", 8, 8})},               /* Bolivia */
    [592] = {"", "001", SPANS({"[2-9]", 7, 7})},                     /* Guyana */
    [593] = {"0", "", SPANS({"9", 9, 9}, {"[2-7]", 8, 8})},          /* Ecuador */
    [594] = {"0", "", SPANS({"[5-9]", 9, 9})},                       /* French Guiana */
    [595] = {"0", "", SPANS({"9", 9, 9}, {"[2-8]", 7, 9})},          /* Paraguay */
    [596] = {"0", "", SPANS({"[5-9]", 9, 9})},                       /* Martinique */
    [597] = {"", "", SPANS({"[2-5]", 6, 6}, {"[6-9]", 7, 7})},       /* Suriname */
    [598] = {"0", "", SPANS({"[1249]", 8, 8})},                      /* Uruguay */
    [599] = {"", "", SPANS({"9", 8, 8}, {"[3467]", 7, 7})},          /* Curacao */

    /* South-East Asia and Oceania */
    /* Malaysia */
    [60] = {"0", "", SPANS({"11", 10, 10}, {"1[5-9]", 9, 10}, {"[13]", 9, 9}, {"[4-9]", 8, 8})},
    [61] = {"0", "0011", SPANS({"[2-478]|14", 9, 9})},               /* Australia */
    [62] = {"0", "001|007|008|009", SPANS({"8", 9, 12}, {"[2-79]", 7, 10})}, /* Indonesia */
    [63] = {"0", "", SPANS({"9", 10, 10}, {"8", 9, 10}, {"[2-7]", 9, 9})}, /* Philippines */
    /* New Zealand */
    [64] = {"0", "", SPANS({"2", 8, 10}, {"70", 9, 9}, {"[58]0", 9, 10}, {"[34679]", 8, 8})},
    [65] = {"", "001|002|008|018|019", SPANS({"[3689]", 8, 8})},     /* Singapore */
    [66] = {"0", "00[1-9]", SPANS({"14|[689]", 9, 9}, {"[1-57]", 8, 8})}, /* Thailand */
    [670] = {"", "", SPANS({"7", 8, 8}, {"[2-489]", 7, 7})},         /* East Timor */
    [672] = {"", "", SPANS({"[13]", 6, 6})},                         /* Norfolk Island */
    [673] = {"", "", SPANS({"[2-578]", 7, 7})},                      /* Brunei */
    [674] = {"", "", SPANS({"[24-9]", 7, 7})},                       /* Nauru */
    [675] = {"", "", SPANS({"7", 8, 8}, {"8", 7, 8}, {"[1-69]", 7, 7})}, /* Papua New Guinea */
    [676] = {"", "", SPANS({"[2-4]", 5, 5}, {"[5-8]", 5, 7}, {"9", 7, 7})}, /* Tonga */
    [677] = {"", "", SPANS({"[1-5]", 5, 5}, {"6", 5, 7}, {"[7-9]", 7, 7})}, /* Solomon Islands */
    [678] = {"", "", SPANS({"[2-4]", 5, 5}, {"8", 5, 7}, {"[579]", 7, 7})}, /* Vanuatu */
    [679] = {"", "", SPANS({"[2-9]", 7, 7})},                        /* Fiji */
    [680] = {"", "011|012", SPANS({"[2-9]", 7, 7})},                 /* Palau */
    [681] = {"", "", SPANS({"[47-9]", 6, 6})},                       /* Wallis and Futuna */
    [682] = {"", "", SPANS({"[2-578]", 5, 5})},                      /* Cook Islands */
    [683] = {"", "", SPANS({"8", 7, 7}, {"[4-7]", 4, 4})},           /* Niue */
    [685] = {"", "", SPANS({"[2-5]", 5, 5}, {"6", 5, 6}, {"7", 7, 7}, {"8", 7, 10})}, /* Samoa */
    [686] = {"0", "", SPANS({"6[0-7]|7", 8, 8}, {"3", 5, 8}, {"[2458]", 5, 5})}, /* Kiribati */
    [687] = {"", "", SPANS({"[2-57-9]", 6, 6})},                     /* New Caledonia */
    [688] = {"", "", SPANS({"2", 5, 5}, {"7", 7, 7}, {"9", 6, 6})},  /* Tuvalu */
    [689] = {"", "", SPANS({"[48]", 8, 8})},                         /* French Polynesia */
    [690] = {"", "", SPANS({"[2-47]", 4, 7})},                       /* Tokelau */
    [691] = {"", "", SPANS({"[389]", 7, 7})},                        /* Micronesia */
    [692] = {"1", "011", SPANS({"[2-6]", 7, 7})},                    /* Marshall Islands */

    /* Russia and Kazakhstan; an 8 in front is the trunk prefix, unless an area code goes on */
    [7] = {"8", "810", SPANS({"[34679]|80|81[1-9]|8[2-7]", 10, 10})},

    /* Asia */
    [81] = {"0", "010", SPANS({"[25-9]0", 10, 10}, {"[1-9][1-9]", 9, 9})}, /* Japan */
    /* Korea */
    [82] = {"0", "001|002|005|006|008|00700", SPANS({"10|70", 10, 10}, {"50", 10, 11}, {"2", 8, 9},
        {"1[1-9]|3[1-3]|4[1-4]|5[1-5]|6[0-4]", 9, 10}, {"80", 9, 9})},
    [84] = {"0", "", SPANS({"2", 10, 10}, {"[135-9]", 9, 9})},       /* Vietnam */
    [850] = {"0", "", SPANS({"1", 10, 10}, {"[2-8]", 8, 8})},        /* North Korea */
    [852] = {"", "001", SPANS({"[2-9]", 8, 8})},                     /* Hong Kong */
    [853] = {"", "", SPANS({"[268]", 8, 8})},                        /* Macao */
    [855] = {"0", "001|007|008", SPANS({"[1-9]", 8, 9})},            /* Cambodia */
    [856] = {"0", "", SPANS({"20", 10, 10}, {"30", 9, 9}, {"[2-8]", 8, 8})}, /* Laos */
    [86] = {"0", "", SPANS({"1[3-9]", 11, 11}, {"10|2", 10, 10}, {"[3-9]", 10, 11})}, /* China */
    [880] = {"0", "", SPANS({"1", 10, 10}, {"2", 8, 10}, {"[3-9]", 7, 10})}, /* Bangladesh */
    /* Taiwan */
    [886] = {"0", "002|005|006|007|009|019", SPANS({"9", 9, 9}, {"70", 10, 11}, {"[2-8]", 8, 9})},
    [90] = {"0", "", SPANS({"[2-589]", 10, 10})},                    /* Turkey */
    [91] = {"0", "", SPANS({"[1-9]", 10, 10})},                      /* India */
    [92] = {"0", "", SPANS({"3", 10, 10}, {"1", 9, 9}, {"[24-9]", 9, 10})}, /* Pakistan */
    [93] = {"0", "", SPANS({"[2-7]", 9, 9})},                        /* Afghanistan */
    [94] = {"0", "", SPANS({"[1-9]", 9, 9})},                        /* Sri Lanka */
    /* Myanmar */
    [95] = {"0", "", SPANS({"95", 8, 8}, {"9", 8, 10}, {"1", 6, 8}, {"2", 6, 9}, {"[4-8]", 7, 9})},
    [960] = {"", "", SPANS({"[34679]", 7, 7})},                      /* Maldives */
    [961] = {"0", "", SPANS({"[78]", 7, 8}, {"2", 8, 8}, {"[13-69]", 7, 7})}, /* Lebanon */
    [962] = {"0", "", SPANS({"[47]", 9, 9}, {"[235689]", 8, 8})},    /* Jordan */
    [963] = {"0", "", SPANS({"9", 9, 9}, {"[1-5]", 8, 9})},          /* Syria */
    [964] = {"0", "", SPANS({"7", 10, 10}, {"1", 8, 8}, {"[2-6]", 8, 9})}, /* Iraq */
    [965] = {"", "", SPANS({"[24-69]", 8, 8})},                      /* Kuwait */
    [966] = {"0", "", SPANS({"[159]", 9, 9}, {"8", 10, 10})},        /* Saudi Arabia */
    /* Yemen */
    [967] = {"0", "", SPANS({"7[0137]", 9, 9}, {"78", 7, 9}, {"1", 7, 8}, {"[2-7]", 7, 7})},
    [968] = {"", "", SPANS({"[1279]", 8, 8})},                       /* Oman */
    [970] = {"0", "", SPANS({"5", 9, 9}, {"[2489]", 8, 8})},         /* Palestine */
    [971] = {"0", "", SPANS({"5", 9, 9}, {"[2-4679]", 8, 8})},       /* Emirates */
    [972] = {"0", "012|013|014|018", SPANS({"[57]", 9, 9}, {"[2-489]", 8, 8})}, /* Israel */
    [973] = {"", "", SPANS({"[136-9]", 8, 8})},                      /* Bahrain */
    [974] = {"", "", SPANS({"[3-7]", 8, 8})},                        /* Qatar */
    [975] = {"", "", SPANS({"1", 8, 8}, {"[78]", 7, 8}, {"[2-6]", 7, 7})}, /* Bhutan */
    [976] = {"0", "001", SPANS({"[12]", 8, 10}, {"[5-9]", 8, 8})},   /* Mongolia */
    [977] = {"0", "", SPANS({"98", 10, 10}, {"9", 8, 10}, {"[1-8]", 8, 8})}, /* Nepal */
    [98] = {"0", "", SPANS({"[1-9]", 10, 10})},                      /* Iran */
    [992] = {"8", "810", SPANS({"", 9, 9})},                         /* Tajikistan */
    [993] = {"8", "810", SPANS({"[1-7]", 8, 8})},                    /* Turkmenistan */
    [994] = {"0", "", SPANS({"[1-9]", 9, 9})},                       /* Azerbaijan */
    [995] = {"0", "", SPANS({"[3-578]", 9, 9})},                     /* Georgia */
    [996] = {"0", "", SPANS({"[235-9]", 9, 9})},                     /* Kyrgyzstan */
    [998] = {"8", "", SPANS({"[235-79]|8[0-8]", 9, 9})},             /* Uzbekistan */

    /* No country's, so nothing is dialled within: freephone, satellites, networks, premium rate */
    [800] = {NULL, NULL, SPANS({"", 8, 8})},
    [808] = {NULL, NULL, SPANS({"", 8, 8})},
    [870] = {NULL, NULL, SPANS({"7", 9, 12}, {"", 9, 9})},
    [878] = {NULL, NULL, SPANS({"1", 12, 12})},
    [881] = {NULL, NULL, SPANS({"6", 9, 10}, {"", 9, 9})},
    [882] = {NULL, NULL, SPANS({"", 7, 12})},
    [883] = {NULL, NULL, SPANS({"", 8, 12})},
    [888] = {NULL, NULL, SPANS({"", 11, 11})},
    [979] = {NULL, NULL, SPANS({"", 9, 9})},
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
        if (PLANS[code].spans != NULL) {
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

/* How far off digits are that no span matches: by their length, if that is wrong for all spans. */
static enum plan_fit fit_none(const struct plan *plan, size_t len)
{
    bool is_too_short = true;
    bool is_too_long = true;
    for (const struct span *span = plan->spans; span->first != NULL; span++) {
        is_too_short = is_too_short && len < span->shortest;
        is_too_long = is_too_long && len > span->longest;
    }
    return is_too_short ? PLAN_TOO_SHORT : is_too_long ? PLAN_TOO_LONG : PLAN_NO_MATCH;
}

static enum plan_fit fit(const struct plan *plan, const char *digits, size_t len, bool *is_open)
{
    const struct span *span = plan->spans;
    while (span->first != NULL && !begins(span->first, digits, len)) {
        span++;
    }
    if (span->first == NULL) {
        return fit_none(plan, len);
    }
    *is_open = span->shortest < span->longest;
    return len < span->shortest ? PLAN_TOO_SHORT : len > span->longest ? PLAN_TOO_LONG : PLAN_FITS;
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
