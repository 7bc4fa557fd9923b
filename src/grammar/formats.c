/* formats.c - formats as patterns.  Sources: RFC 3339 (dates and times), RFC 9562
 * (uuid), RFC 5321 (email, in its usual form), RFC 1123 (hostname), RFC 2673 and 4291
 * (addresses), RFC 3986 (uri), RFC 6901 (json-pointer).  An unknown format is an
 * annotation. */
#include <string.h>

#include "grammar/schema_internal.h"

#define LEAP_2 "(0[48]|[2468][048]|[13579][26])"
#define LEAP   "([0-9][0-9]" LEAP_2 "|(00|" LEAP_2 ")00)"
#define DATE                                                                           \
    "(([0-9]{4}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12]"   \
    "[0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8])))|" LEAP "-02-29)"
#define CLOCK "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?"
#define ZONE  "([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
#define BYTE  "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
#define IPV4  BYTE "(\\." BYTE "){3}"
#define H16   "[0-9A-Fa-f]{1,4}"
#define LS32  "(" H16 ":" H16 "|" IPV4 ")"
#define IPV6                                                                           \
    "((" H16 ":){6}" LS32 "|::(" H16 ":){5}" LS32 "|(" H16 ")?::(" H16 ":){4}" LS32    \
    "|((" H16 ":){0,1}" H16 ")?::(" H16 ":){3}" LS32 "|((" H16 ":){0,2}" H16           \
    ")?::(" H16 ":){2}" LS32 "|((" H16 ":){0,3}" H16 ")?::" H16 ":" LS32 "|((" H16     \
    ":){0,4}" H16 ")?::" LS32 "|((" H16 ":){0,5}" H16 ")?::" H16 "|((" H16             \
    ":){0,6}" H16 ")?::)"
#define LABEL    "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
#define HOST     "(?=.{1,253}$)" LABEL "(\\." LABEL ")*"
#define PCT      "%[0-9A-Fa-f]{2}"
#define SAFE     "A-Za-z0-9._~!$&'()*+,;="
#define PCHAR    "([" SAFE ":@-]|" PCT ")"
#define SEGMENTS "(/" PCHAR "*)*"
#define AUTH                                                                           \
    "(([" SAFE ":-]|" PCT ")*@)?(\\[(" IPV6 "|[vV][0-9A-Fa-f]+\\.[" SAFE               \
    ":-]+)\\]|([" SAFE "-]|" PCT ")*)(:[0-9]*)?"
#define TAIL   "(\\?(" PCHAR "|[/?])*)?(#(" PCHAR "|[/?])*)?"
#define SCHEME "[A-Za-z][A-Za-z0-9+.-]*:"
#define HIER   "(//" AUTH SEGMENTS "|/(" PCHAR "+" SEGMENTS ")?|" PCHAR "+" SEGMENTS ")?"
#define RELATIVE                                                                       \
    "(//" AUTH SEGMENTS "|/(" PCHAR "+" SEGMENTS ")?|([" SAFE "@-]|" PCT ")+" SEGMENTS \
    ")?"
/* the same for IRIs (RFC 3987), which may hold characters beyond ASCII */
#define ISAFE  SAFE "\\u{A0}-\\u{D7FF}\\u{F900}-\\u{10FFFF}"
#define IPCHAR "([" ISAFE ":@-]|" PCT ")"
#define ISEGS  "(/" IPCHAR "*)*"
#define I_AUTH                                                                         \
    "(([" ISAFE ":-]|" PCT ")*@)?(\\[(" IPV6 "|[vV][0-9A-Fa-f]+\\.[" SAFE              \
    ":-]+)\\]|([" ISAFE "-]|" PCT ")*)(:[0-9]*)?"
#define I_TAIL "(\\?(" IPCHAR "|[/?])*)?(#(" IPCHAR "|[/?])*)?"
#define I_HIER "(//" I_AUTH ISEGS "|/(" IPCHAR "+" ISEGS ")?|" IPCHAR "+" ISEGS ")?"
#define I_RELATIVE                                                                     \
    "(//" I_AUTH ISEGS "|/(" IPCHAR "+" ISEGS ")?|([" ISAFE "@-]|" PCT ")+" ISEGS ")?"
/* RFC 6570 */
#define VARNAME   "([A-Za-z0-9_]|" PCT ")(\\.?([A-Za-z0-9_]|" PCT "))*"
#define VARSPEC   VARNAME "(:[1-9][0-9]{0,3}|\\*)?"
#define EXPANSION "\\{[+#./;?&=,!@|]?" VARSPEC "(," VARSPEC ")*\\}"
#define QUOTED    "\"([ !#-\\[\\]-~]|\\\\[ -~])*\""
#define ATOM      "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
#define TIME_PART "T([0-9]+H([0-9]+M([0-9]+S)?)?|[0-9]+M([0-9]+S)?|[0-9]+S)"
#define DATE_PART "([0-9]+Y([0-9]+M([0-9]+D)?)?|[0-9]+M([0-9]+D)?|[0-9]+D)"

const char *hone_schema_format(const char *name, bool *refused)
{
    static const struct {
        const char *name, *pattern;
    } table[] = {
        {"date", "^" DATE "$"},
        {"time", "^" CLOCK ZONE "$"},
        {"date-time", "^" DATE "[Tt]" CLOCK ZONE "$"},
        {"duration", "^P(" DATE_PART "(" TIME_PART ")?|" TIME_PART "|[0-9]+W)$"},
        {"uuid", "^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$"},
        {"email", "^(" ATOM "(\\." ATOM ")*|" QUOTED ")@(" LABEL "(\\." LABEL
                  ")*|\\[(" IPV4 "|IPv6:" IPV6 ")\\])$"},
        {"idn-email",
         "^(?!.*@.*@)[^\\s@<>()\\[\\],;:\"\\\\]+@[^\\s@<>()\\[\\],;:\"\\\\]+$"},
        {"ipv4", "^" IPV4 "$"},
        {"ipv6", "^" IPV6 "$"},
        {"hostname", "^" HOST "$"},
        {"uri", "^" SCHEME HIER TAIL "$"},
        {"uri-reference", "^(" SCHEME HIER "|" RELATIVE ")" TAIL "$"},
        {"iri", "^" SCHEME I_HIER I_TAIL "$"},
        {"iri-reference", "^(" SCHEME I_HIER "|" I_RELATIVE ")" I_TAIL "$"},
        {"uri-template",
         "^(([^\\x00-\\x20\\x7f\"'%<>\\\\^`{|}]|" PCT ")|" EXPANSION ")*$"},
        {"json-pointer", "^(/([^~/]|~[01])*)*$"},
        {"relative-json-pointer", "^(0|[1-9][0-9]*)(#|(/([^~/]|~[01])*)*)$"},
    };
    *refused = strcmp(name, "idn-hostname") == 0 || strcmp(name, "regex") == 0;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (strcmp(name, table[i].name) == 0) return table[i].pattern;
    }
    return NULL;
}
