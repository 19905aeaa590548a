// The threads of the server on a real userfaultfd over memory of this process: readers that fault at once, a source that is slow, or fails.

#include <cstring>

#include "core/thread.h"
#include "test/lazy_rig.h"
#include "test/tests.h"

namespace frazil::lazy {
namespace {

struct Reader {
  const std::byte* memory;
  uint64_t from;
  uint64_t wrong = 0;
  void operator()() noexcept {
    for (uint64_t i = 0; i < kPages; ++i) {
      const uint64_t page = (from + i * 389) % kPages;
      uint64_t word;
      std::memcpy(&word, memory + page * kPageSize + 1000, sizeof word);
      wrong += word != word_of(page);
    }
  }
};

}  // namespace
}  // namespace frazil::lazy

namespace frazil {

using namespace lazy;

void test_lazy_fill(Tests& tests) {
  if (!open_region()) return tests.skip("filling a real userfaultfd", "userfaultfd is not permitted");
  tests.run("four readers find every page, while two threads answer faults and two fill", [&] {
    Rig rig(std::move(*open_region()));
    // A loop belongs to one thread.
    FaultLoop second(*rig.spaces, rig.events, *rig.backlog, rig.filler, rig.source, rig.board, rig.verdict, nullptr);
    Reader readers[] = {{rig.memory, 0}, {rig.memory, 500}, {rig.memory, 1100}, {rig.memory, 1999}};
    {
      std::vector<Thread> threads;
      for (FaultLoop* loop : {&rig.faults, &second}) threads.push_back(Thread::spawn("fault", *loop).value());
      for (Reader& reader : readers) threads.push_back(Thread::spawn("reader", reader).value());
      for (int i = 0; i < 2; ++i) threads.push_back(Thread::spawn("fill", rig.background).value());
      rig.background.tree_restored(Background::When::begin);
      rig.background.no_more_trees();
    }
    tests.expect(rig.verdict.get()->event == Event::filled);
    for (const Reader& reader : readers) tests.expect(reader.wrong == 0);
    tests.expect(rig.board.done_pages == kPages && rig.spaces->empty());
    // Of two that bring the same page one finds it there; whichever notes it first decides whether it counts as copied.
    tests.expect(rig.board.copied_pages + rig.board.zero_pages <= kPages);
    tests.expect(rig.board.zero_pages > 0 && rig.board.copied_pages > kPages / 2);
  });

  tests.run("a source that fails ends everybody, with the page", [&] {
    Rig rig(std::move(*open_region()));
    rig.source.fail_at = 700;
    {
      Thread fault = Thread::spawn("fault", rig.faults).value();
      Thread fill = Thread::spawn("fill", rig.background).value();
      rig.background.tree_restored(Background::When::begin);
      rig.background.no_more_trees();
    }
    const Message message = *rig.verdict.get();
    tests.expect(message.event == Event::failed && message.fault == Fault::source && message.error == EIO);
    tests.expect(message.vaddr == reinterpret_cast<uintptr_t>(rig.memory) + 700 * page::kPageSize);
  });
}

}  // namespace frazil
