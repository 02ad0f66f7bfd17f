// What C++ programs are made of: each block is the containers' own, and each site is named by who fills them.
#include <map>
#include <memory>
#include <string>
#include <unistd.h>
#include <unordered_map>
#include <vector>

struct Node {
    std::shared_ptr<Node> other;
    int numbers[10];
};

struct Shop {
    std::vector<std::shared_ptr<Node>> nodes;
    std::unordered_map<std::string, int> index;
    std::map<int, std::string> notes;

    __attribute__((noinline)) void place(int i) {
        nodes.push_back(std::make_shared<Node>());
        index[std::string(100, 'a') + std::to_string(i)] = i;
        notes[i] = std::string(500, 'b');
    }
};

// Two blocks of one line and one size.
__attribute__((noinline)) static void cycle() {
    auto a = std::make_shared<Node>(), b = std::make_shared<Node>();
    a->other = b;
    b->other = a;
}

int main() {
    static Shop shop;
    for (int i = 0; i < 100; i++) shop.place(i);
    for (int i = 0; i < 100; i++) cycle();
    _exit(0);
}
