/* Built static, and with AddressSanitizer. */
#include <stdio.h>
#include <stdlib.h>

int main(void) {
    char *volatile p = malloc(100);
    (void)snprintf(p, 100, "hello");
    puts(p);
    free(p);
    return 0;
}
