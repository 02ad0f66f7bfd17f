/* Memory before main: a library's constructor, an ifunc's resolver. Prints what became of each. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern char *early_block, *early_refused;
extern void early_free(void *p);

static char *resolved;
static int answer(void) {
    return 42;
}
__attribute__((used)) static int (*resolve(void))(void) {
    extern void *malloc(size_t);
    resolved = malloc(100);
    return answer;
}
int chosen(void) __attribute__((ifunc("resolve")));

int main(void) {
    printf("%s, refused %d, chosen %d\n", early_block, early_refused == NULL, chosen());
    free(early_block);
    early_free(malloc(10));
    free(resolved);
    return 0;
}
