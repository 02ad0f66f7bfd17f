/* Compressing what is written bit by bit, with zlib. */
#ifndef WEIR_FORMS_ZIP_H
#define WEIR_FORMS_ZIP_H

#include <stddef.h>
#include <zlib.h>

enum zip_form { ZIP_GZIP, ZIP_RAW }; /* RFC 1952, RFC 1951 */
typedef void zip_sink(void *to, const unsigned char *bytes, size_t length);

struct zip {
    z_stream stream;
    zip_sink *sink; /* takes what was compressed */
    void *to;
};

void zip_begin(struct zip *zip, enum zip_form form, zip_sink *sink, void *to);
void zip_write(struct zip *zip, const void *bytes, size_t length);
void zip_end(struct zip *zip);

#endif
