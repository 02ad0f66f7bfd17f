/* Text in XML 1.0, in elements and between double quotes alike. */
#ifndef WEIR_FORMS_XML_H
#define WEIR_FORMS_XML_H

#include <stdio.h>

/* Harmless text (view/escape.h), perhaps of several lines. What XML has no way to say, U+FFFE and U+FFFF, is written as
 * its bytes: \xef\xbf\xbe. */
void xml_text(FILE *out, const char *text);
void xml_element(FILE *out, const char *name, const char *text);   /* <name>text</name> and a line end */
void xml_attribute(FILE *out, const char *name, const char *text); /* a space and name="text" */

#endif
