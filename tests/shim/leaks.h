/* What both leaking programs do: blocks of three sizes from three threads, through inlined functions. */
#define COUNT(k) (100 * ((k) + 1)) /* blocks of thread k */
#define BYTES(k) (24 + 1000 * (k)) /* of each */
