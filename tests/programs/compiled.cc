// What gxx_session compiles: templates enough to keep the compiler allocating; the result exercises new and delete.
#include <algorithm>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <tuple>
#include <unordered_map>
#include <variant>
#include <vector>

template <typename T> struct Tree {
    std::unique_ptr<Tree> left, right;
    T value;
    explicit Tree(T v) : value(std::move(v)) {}
    void insert(T v) {
        auto &side = v < value ? left : right;
        if (side) side->insert(std::move(v));
        else side = std::make_unique<Tree>(std::move(v));
    }
    size_t depth() const { return 1 + std::max(left ? left->depth() : 0, right ? right->depth() : 0); }
};

template <size_t N> using Row = std::tuple<std::integral_constant<size_t, N>, std::string, std::vector<std::map<int, std::set<std::string>>>>;
template <size_t... N> size_t rows(std::index_sequence<N...>) {
    std::variant<Row<N>...> v;
    size_t sum = 0;
    ((v = Row<N>{{}, std::to_string(N), {{{int(N), {"a", "b"}}}}}, sum += std::visit([](auto &r) { return std::get<1>(r).size(); }, v)), ...);
    return sum;
}

struct alignas(64) Line {
    char bytes[64];
};

int main() {
    std::vector<std::thread> threads;
    std::vector<size_t> found(4);
    for (size_t t = 0; t < found.size(); t++)
        threads.emplace_back([&found, t] {
            Tree<std::string> tree("500");
            for (unsigned i = 0; i < 2000; i++) tree.insert(std::to_string(i * 7919u % 1009u));
            found[t] = tree.depth();
        });
    for (auto &t : threads) t.join();
    std::unordered_map<std::string, std::shared_ptr<std::function<int(int)>>> calls;
    for (int i = 0; i < 1000; i++) calls["f" + std::to_string(i)] = std::make_shared<std::function<int(int)>>([i](int x) { return x + i; });
    int sum = 0;
    for (auto &c : calls) sum += (*c.second)(1);
    auto lines = std::make_unique<Line[]>(10);
    std::ostringstream out;
    out << found[0] << ' ' << found[3] << ' ' << sum << ' ' << rows(std::make_index_sequence<8>()) << ' '
        << reinterpret_cast<uintptr_t>(lines.get()) % 64;
    std::cout << out.str() << '\n';
    volatile size_t huge = size_t(1) << 62;
    char *volatile never = nullptr; // else the compiler leaves the allocation out
    try {
        never = new char[huge];
        std::cout << "not refused\n";
        delete[] never;
    } catch (const std::bad_alloc &e) {
        std::cout << e.what() << '\n';
    }
}
