#pragma once

#include <dirent.h>

#include <cstdio>
#include <set>
#include <source_location>
#include <string>

namespace frazil {

// A test harness of forty lines: no framework to download, and every test also checks that it left no fd behind.
class Tests {
 public:
  // Runs `body()` at once. Several failed expectations make one failed test.
  template <typename Body>
  void run(const char* title, Body body) {
    title_ = title;
    broken_ = false;
    const auto before = open_fds();
    body();
    expect(open_fds() == before);
    (broken_ ? failed_ : passed_) += 1;
  }

  // What cannot run here is said and counted.
  void skip(const char* title, const char* why) {
    std::printf("skipped: %s (%s)\n", title, why);
    ++skipped_;
  }

  void expect(bool holds, std::source_location where = std::source_location::current()) {
    if (holds) return;
    broken_ = true;
    std::printf("FAILED: %s\n  %s:%u\n", title_, where.file_name(), static_cast<unsigned>(where.line()));
  }

  // The closing line, and main()'s exit code.
  int conclude() const {
    if (skipped_ > 0) std::printf("%d skipped\n", skipped_);
    std::printf("%d passed, %d failed\n", passed_, failed_);
    return failed_ == 0 && passed_ > 0 ? 0 : 1;
  }

 private:
  static std::set<std::string> open_fds() {
    std::set<std::string> numbers;
    DIR* dir = ::opendir("/proc/self/fd");  // is in its own listing, under the same number each time
    while (const dirent* entry = ::readdir(dir)) numbers.insert(entry->d_name);
    ::closedir(dir);
    return numbers;
  }

  const char* title_ = "";
  bool broken_ = false;
  int passed_ = 0;
  int failed_ = 0;
  int skipped_ = 0;
};

// One per file of tests; main.cc calls them all.
void test_archive(Tests& tests);
void test_archive_stream(Tests& tests);
void test_compress(Tests& tests);
void test_core(Tests& tests);
void test_crypto(Tests& tests);
void test_delta(Tests& tests);
void test_dense_pages(Tests& tests);
void test_lazy_fill(Tests& tests);
void test_lazy_move(Tests& tests);
void test_lazy_space(Tests& tests);
void test_lazy_wire(Tests& tests);
void test_messages(Tests& tests);
void test_splice(Tests& tests);
void test_processes(Tests& tests);
void test_exec(Tests& tests);
void test_tcp_repair(Tests& tests);
void test_page_receive(Tests& tests);
void test_page_chain(Tests& tests);
void test_page_failure(Tests& tests);
void test_page_map(Tests& tests);
void test_page_random(Tests& tests);
void test_joined(Tests& tests);
void test_peer(Tests& tests);
void test_image_chain(Tests& tests);
void test_memory(Tests& tests);
void test_transfer(Tests& tests);

}  // namespace frazil
