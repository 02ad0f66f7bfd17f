// relay plain | sized: each thread replaces blocks of 8 to 1,000 bytes at random in a table of thousands, then hands the
// table to a thread that it starts, and ends. With delete, or with delete of a known size.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <pthread.h>

namespace {
enum { CHAINS = 4, SUCCESSIONS = 120, BLOCKS = 5000, ROUNDS = 25000 };
struct Chain {
    char *p[BLOCKS];
    std::uint32_t size[BLOCKS];
    std::uint64_t seed, sum;
    int left;
};
bool sized;
pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
pthread_cond_t done = PTHREAD_COND_INITIALIZER;
int running = CHAINS;

std::uint64_t random_next(std::uint64_t *s) {
    *s ^= *s << 13;
    *s ^= *s >> 7;
    *s ^= *s << 17;
    return *s * 0x2545f4914f6cdd1du >> 16;
}

void drop(char *p, std::size_t size) {
    if (sized)
        ::operator delete(p, size);
    else
        ::operator delete(p);
}

void start(Chain *chain);

void *serve(void *argument) {
    Chain *chain = static_cast<Chain *>(argument);
    for (int i = 0; i < ROUNDS; i++) {
        std::uint64_t random = random_next(&chain->seed);
        std::size_t at = random % BLOCKS;
        if (chain->p[at]) {
            if (chain->p[at][0] != char(at)) std::abort();
            chain->sum += chain->size[at];
            drop(chain->p[at], chain->size[at]);
        }
        chain->size[at] = 8 + std::uint32_t((random >> 20) % 993);
        chain->p[at] = static_cast<char *>(::operator new(chain->size[at]));
        chain->p[at][0] = chain->p[at][chain->size[at] - 1] = char(at);
    }
    if (--chain->left > 0) {
        start(chain);
    } else {
        pthread_mutex_lock(&lock);
        if (--running == 0) pthread_cond_signal(&done);
        pthread_mutex_unlock(&lock);
    }
    return nullptr;
}

void start(Chain *chain) {
    pthread_t next;
    if (pthread_create(&next, nullptr, serve, chain) != 0) std::abort();
    pthread_detach(next);
}
} // namespace

int main(int argc, char **argv) {
    static Chain chains[CHAINS];
    std::uint64_t sum = 0;
    sized = argc > 1 && std::strcmp(argv[1], "sized") == 0;
    for (int c = 0; c < CHAINS; c++) {
        chains[c].seed = std::uint64_t(c) + 1;
        chains[c].left = SUCCESSIONS;
        start(&chains[c]);
    }
    pthread_mutex_lock(&lock);
    while (running > 0) pthread_cond_wait(&done, &lock);
    pthread_mutex_unlock(&lock);
    for (Chain &chain : chains) {
        sum += chain.sum;
        for (int at = 0; at < BLOCKS; at++)
            if (chain.p[at]) drop(chain.p[at], chain.size[at]);
    }
    std::printf("%016llx\n", static_cast<unsigned long long>(sum));
}
