// A source of which some pages are here and others with a peer, against a model: whatever is asked for in whatever order, each page is the
// one that the model has, and comes from where the pagemap says.

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>

#include "core/thread.h"
#include "page/directory_source.h"
#include "page/image_file.h"
#include "page/joined_source.h"
#include "page/page_feeder.h"
#include "page/peer_source.h"
#include "sys/full_io.h"
#include "sys/socket_pair.h"
#include "test/chain_model.h"
#include "test/tests.h"

namespace frazil::page {
namespace {

constexpr ImageId kTask{ImageId::Kind::task, 1};

enum class Place : uint8_t { here, peer };

struct Page {
  Place place;
  Bytes bytes;
};
using Model = std::map<uint64_t, Page>;  // by page number

// Of the pages that iterations have brought some are as they were, some have changed since; others are new.
Model random_model(const RandomChain& chain, std::mt19937& random) {
  Model model;
  for (const auto& [page, bytes] : chain.memory) {
    if (random() % 4 == 0) continue;
    const bool here = random() % 2 == 0;
    model[page] = here ? Page{Place::here, bytes} : Page{Place::peer, random_page(random)};
  }
  for (uint64_t page = 1000; page < 1000 + random() % 40; ++page) model[page] = {Place::peer, random_page(random)};
  return model;
}

// The pagemap of the last level; at the source the pages of all, which are rubbish where nobody may ask for them there.
void write_level(const UniqueFd& directory, const Model& model, bool at_source) {
  PagemapWriter map(1);
  const UniqueFd pages = create_image_file(directory.get(), pages_name(1), O_WRONLY).value();
  const Bytes rubbish(kPageSize, std::byte{0xee});
  for (const auto& [page, one] : model) {
    const bool present = at_source || one.place == Place::peer;
    if (!map.append({page * kPageSize, 1, kLazy | (present ? kPresent : 0)})) std::abort();
    const Bytes& bytes = one.place == Place::peer ? one.bytes : rubbish;
    if (at_source && !write_full(pages.get(), bytes.data(), bytes.size()).ok()) std::abort();
  }
  if (!map.write(directory.get(), kTask).ok()) std::abort();
}

struct Feed {
  UniqueFd socket;
  UniqueFd images;
  FeedCounters counters{};
  std::optional<FeedFailure> failure{};
  Cancel cancel = Cancel::open().value();
  void operator()() noexcept {
    DirectorySource source(std::move(images));
    failure = PageFeeder(source, counters).serve(socket.get(), cancel);
    socket.reset();
  }
};

struct Comparing final : Taker {
  explicit Comparing(const Model& known) : model(known) {}
  const Model& model;
  std::mutex mutex;
  std::condition_variable changed;
  std::map<uint64_t, unsigned> seen;
  uint64_t wrong = 0;
  std::optional<SourceFailure> lost;

  Result<void> take(const Arrival& arrival) noexcept override {
    const std::lock_guard guard(mutex);
    for (uint64_t i = 0; i < arrival.pages; ++i) {
      const uint64_t page = arrival.vaddr / kPageSize + i;
      static const Bytes zeros(kPageSize);
      const std::byte* bytes = arrival.bytes == nullptr ? zeros.data() : arrival.bytes + i * kPageSize;
      const auto known = model.find(page);
      if (known == model.end() || !std::equal(bytes, bytes + kPageSize, known->second.bytes.begin())) ++wrong;
      ++seen[page];
    }
    changed.notify_all();
    return {};
  }
  void lose(const SourceFailure& failure) noexcept override {
    const std::lock_guard guard(mutex);
    lost = failure;
    changed.notify_all();
  }
  void wait_for_all() {
    std::unique_lock held(mutex);
    changed.wait(held, [&] { return lost || seen.size() == model.size(); });
  }
};

// Nobody is to be asked where the taker of fetch() is used: what comes goes to that of begin().
struct Unasked final : Taker {
  bool asked = false;
  Result<void> take(const Arrival&) noexcept override {
    asked = true;
    return {};
  }
  void lose(const SourceFailure&) noexcept override { asked = true; }
};

std::unique_ptr<JoinedSource> open_joined(UniqueFd socket, const TempDir& temp, const RandomChain& chain) {
  auto peer = PeerSource::open(std::move(socket), temp.folder("last")).value();
  auto local = std::make_unique<DirectorySource>(temp.folder("last"), nullptr, chain.chain.top());
  return std::make_unique<JoinedSource>(std::move(peer), std::move(local));
}

// Parts of runs, in a random order, by tasks and by the background.
bool fetch_all(JoinedSource& source, std::mt19937& random, Taker& taker) {
  std::vector<Want> wants;
  for (const PagemapEntry& run : source.lazy_runs(kTask).value()) {
    for (uint64_t done = 0; done < run.pages;) {
      const uint64_t pages = std::min<uint64_t>(1 + random() % 9, run.pages - done);
      const Urgency urgency = random() % 3 == 0 ? Urgency::urgent : Urgency::background;
      wants.push_back({kTask, run.vaddr + done * kPageSize, pages, urgency});
      done += pages;
    }
  }
  std::shuffle(wants.begin(), wants.end(), random);
  return std::all_of(wants.begin(), wants.end(), [&](const Want& one) { return !source.fetch(one, taker); });
}

struct Outcome {
  bool right;
  bool only_what_is_there;  // was the peer asked for
};

Outcome run_once(unsigned seed) {
  std::mt19937 random(seed);
  const TempDir temp;
  const RandomChain chain = random_chain(temp, random);
  const Model model = random_model(chain, random);
  write_level(temp.folder("last"), model, false);
  write_level(temp.folder("source"), model, true);
  SocketPair pair = stream_pair(0).value();
  Feed feed{std::move(pair.first), temp.folder("source")};
  Thread feeding = Thread::spawn("feed", feed).value();
  auto source = open_joined(std::move(pair.second), temp, chain);
  Cancel stop = Cancel::open().value();
  Comparing comparing(model);
  Unasked unasked;
  bool right = source->begin(comparing, stop).ok() && fetch_all(*source, random, unasked);
  comparing.wait_for_all();
  stop.signal();
  right = right && source->finish().ok() && !unasked.asked && !comparing.lost && comparing.wrong == 0;
  feeding.join();
  const auto at_peer =
      std::count_if(model.begin(), model.end(), [](const auto& one) { return one.second.place == Place::peer; });
  return {right && !feed.failure, feed.counters.bytes == static_cast<uint64_t>(at_peer) * kPageSize};
}

}  // namespace
}  // namespace frazil::page

namespace frazil {

using namespace page;

void test_joined(Tests& tests) {
  tests.run("a joined source gives each page as the model has it, from where the pagemap says", [&] {
    for (unsigned seed = 1; seed <= 60; ++seed) {
      const Outcome outcome = run_once(seed);
      tests.expect(outcome.right);
      tests.expect(outcome.only_what_is_there);
    }
  });

  tests.run("a page that was here and is gone is named with its level", [&] {
    const TempDir temp;
    ModelChain chain(temp);
    chain.add({{{5, Bytes(kPageSize, std::byte{1})}}, {}});
    const RandomChain known{chain, {}, 0};
    write_level(temp.folder("last"), {{5, {Place::here, {}}}}, false);
    write_level(temp.folder("source"), {{5, {Place::here, {}}}}, true);
    SocketPair pair = stream_pair(0).value();
    Feed feed{std::move(pair.first), temp.folder("source")};
    Thread feeding = Thread::spawn("feed", feed).value();
    auto source = open_joined(std::move(pair.second), temp, known);
    Cancel stop = Cancel::open().value();
    Comparing comparing({});
    tests.expect(source->begin(comparing, stop).ok() && source->lazy_runs(kTask).value().size() == 1);
    tests.expect(::unlinkat(chain.top().get(), "pages-1.img", 0) == 0);
    const auto failure = source->fetch({kTask, 5 * kPageSize, 1, Urgency::urgent}, comparing);
    tests.expect(failure && failure->level == 1 && failure->vaddr == 5 * kPageSize);
    const auto nowhere = source->fetch({kTask, 9 * kPageSize, 1, Urgency::urgent}, comparing);
    tests.expect(nowhere && nowhere->error.number == ENODATA);
    stop.signal();
    tests.expect(source->finish().ok());
  });
}

}  // namespace frazil
