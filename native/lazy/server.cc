#include "lazy/server.h"

#include <poll.h>
#include <sys/socket.h>

#include "sys/pidfd.h"
#include "sys/retry.h"

namespace frazil::lazy {

Server::Server(const ServerOptions& options, std::unique_ptr<page::Source> source, Board& board, Notes& notes,
               std::unique_ptr<Spaces> spaces, std::unique_ptr<Backlog> backlog, Verdict verdict,
               UniqueFd listener) noexcept
    : options_(options),
      source_(std::move(source)),
      board_(board),
      notes_(notes),
      spaces_(std::move(spaces)),
      backlog_(std::move(backlog)),
      verdict_(std::move(verdict)),
      listener_(std::move(listener)),
      events_(*spaces_, board, verdict_),
      filler_(*spaces_, events_, *backlog_, board, verdict_),
      background_(*spaces_, filler_, *source_, board, verdict_, options.replay, options.bytes_per_second),
      delivery_(*spaces_, filler_, board, verdict_) {}

Server::~Server() = default;

Result<std::unique_ptr<Server>> Server::open(const ServerOptions& options, std::unique_ptr<page::Source> source,
                                             Board& board, Notes& notes) noexcept {
  auto spaces = Spaces::open(board);
  if (!spaces.ok()) return spaces.error();
  auto backlog = Backlog::open();
  if (!backlog.ok()) return backlog.error();
  auto verdict = Verdict::open();
  if (!verdict.ok()) return verdict.error();
  auto listener = listen_in(options.work, static_cast<int>(options.trees));
  if (!listener.ok()) return listener.error();
  return std::unique_ptr<Server>(new Server(options, std::move(source), board, notes, std::move(spaces).value(),
                                            std::move(backlog).value(), std::move(verdict).value(),
                                            std::move(listener).value()));
}

Result<void> Server::start_threads() noexcept {
  if (auto begun = source_->begin(delivery_, verdict_.stop()); !begun.ok()) return begun;
  for (unsigned i = 0; i < options_.faulters; ++i) {
    faulters_.push_back(std::make_unique<FaultLoop>(*spaces_, events_, *backlog_, filler_, *source_, board_, verdict_,
                                                    options_.record < 0 ? nullptr : &recorder_));
    if (source_->remote()) faulters_.back()->wait_with(delivery_);
    auto thread = Thread::spawn("frazil-fault", *faulters_.back());
    if (!thread.ok()) return thread.error();
    threads_.push_back(std::move(thread).value());
  }
  for (unsigned i = 0; i < options_.fillers; ++i) {
    auto thread = Thread::spawn("frazil-fill", background_);
    if (!thread.ok()) return thread.error();
    threads_.push_back(std::move(thread).value());
  }
  return {};
}

Exit Server::run(int guardian) noexcept {
  auto started = start_threads();
  if (!started.ok()) {
    verdict_.fail(Fault::system, started.error());
  } else {
    board_.ready_ns = now_ns();
    say({options_.control, -1}, Verdict::plain(Event::ready, Fault::none, {0, ""}));
  }
  while (!verdict_.stop().cancelled()) watch(guardian);
  return close_down();
}

// One wait for everything that is not a fault.
void Server::watch(int guardian) noexcept {
  std::vector<pollfd> waits{{verdict_.stop().fd(), POLLIN, 0}, {guardian, POLLIN, 0}};
  waits.push_back({caller_listens_ ? options_.control : -1, POLLIN, 0});
  waits.push_back({listener_.get(), POLLIN, 0});
  for (const auto& restore : restores_) waits.push_back({restore->over ? -1 : restore->connection.fd(), POLLIN, 0});
  if (retry_eintr([&] { return ::poll(waits.data(), waits.size(), -1); }) == -1)
    return verdict_.fail(Fault::system, {errno, "poll"});
  if (waits[1].revents != 0) return verdict_.fail(Fault::guardian_died, {0, "signal"});
  if (waits[2].revents != 0) hear_caller();
  // By number: a restore that is accepted now has no entry yet.
  for (size_t i = 4; i < waits.size(); ++i) {
    if (waits[i].revents != 0) hear(*restores_[i - 4]);
  }
  if (waits[3].revents != 0) accept_restore();
}

void Server::hear_caller() noexcept {
  char said = 0;
  const ssize_t n = retry_eintr([&] { return ::recv(options_.control, &said, 1, MSG_DONTWAIT); });
  if (n == 1 && said == kAbort) return verdict_.fail(Fault::caller, {ECANCELED, "recv"});
  if (n == 1 && said == kHeld) return hold();
  if (n == 1 || (n == -1 && errno == EAGAIN)) return;
  caller_listens_ = false;
  if (!options_.outlive) verdict_.fail(Fault::caller, {EPIPE, "recv"});
  // CRIU is his child and ends with him, unless it has begun: nobody else knows of this socket.
  if (restores_.size() < options_.trees) verdict_.decide(Verdict::plain(Event::refused, Fault::none, {0, ""}));
}

// What CRIU has said of its tasks before may still be unread.
void Server::hold() noexcept {
  held_ = true;
  for (const auto& restore : restores_) restore->tree->held = true;
  background_.tree_restored(Background::When::begin);
}

void Server::accept_restore() noexcept {
  UniqueFd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!socket) return;  // it has hung up again
  auto tree = std::make_shared<Tree>();
  tree->index = restores_.size();
  tree->held = held_;
  restores_.push_back(std::make_unique<Restore>(Restore{Connection(std::move(socket)), std::move(tree), {}, {}}));
  if (restores_.size() == options_.trees) listener_.reset();
}

void Server::hear(Restore& restore) noexcept {
  while (!restore.over && !verdict_.stop().cancelled()) {
    auto got = restore.connection.receive();
    if (!got.ok()) return verdict_.fail(Fault::protocol, got.error());
    if (std::holds_alternative<Nothing>(got.value())) return;
    if (auto* task = std::get_if<TaskArrived>(&got.value())) add(restore, std::move(*task));
    if (std::holds_alternative<Restored>(got.value())) finish(restore);
    if (std::holds_alternative<HungUp>(got.value())) give_up(restore);
  }
}

void Server::add(Restore& restore, TaskArrived task) noexcept {
  if (auto pidfd = open_pidfd(task.pid); pidfd.ok()) restore.pidfds.push_back(std::move(pidfd).value());
  restore.tasks.push_back(task.pid);
  const page::ImageId image{page::ImageId::Kind::task, task.image};
  auto& layout = layouts_[task.image];
  if (layout == nullptr) {
    auto runs = source_->lazy_runs(image);
    if (!runs.ok()) return verdict_.fail_at(Fault::source, page::SourceFailure{runs.error(), image, 0});
    layout = std::make_shared<const Layout>(image, std::move(runs).value());
  }
  board_.total_pages.fetch_add(layout->pages(), std::memory_order_relaxed);
  auto added = spaces_->add(std::make_shared<Space>(std::move(task.uffd), layout, task.pid, restore.tree));
  if (!added.ok()) return verdict_.fail(Fault::system, added.error());
  if (held_) background_.tree_restored(Background::When::begin);
}

// CRIU lets the tasks run next.
void Server::finish(Restore& restore) noexcept {
  for (const pid_t task : restore.tasks) notes_.add(likeness_of(task));
  restore.tree->restored = true;
  board_.restored_ns = now_ns();
  Message message = Verdict::plain(Event::restored, Fault::none, {0, ""});
  message.tree = restore.tree->index;
  say({options_.control, -1}, message);
  // Copies are filled together, when all are there, so that what is read for one serves all.
  background_.tree_restored(options_.trees == 1 ? Background::When::begin : Background::When::later);
  conclude(restore);
}

void Server::give_up(Restore& restore) noexcept {
  if (options_.trees == 1) return verdict_.decide(Verdict::plain(Event::refused, Fault::none, {0, ""}));
  spaces_->forget(*restore.tree);
  conclude(restore);
}

void Server::conclude(Restore& restore) noexcept {
  restore.over = true;
  if (++concluded_ == options_.trees) background_.no_more_trees();
}

Exit Server::close_down() noexcept {
  background_.stop();
  threads_.clear();
  const auto verdict = *verdict_.get();
  const bool filled = verdict.event == Event::filled;
  if (filled) {
    board_.filled_ns = now_ns();
    (void)source_->finish();  // every page is here; what the peer makes of it is its own affair
    notes_.filled = true;
  } else {
    end_tree(notes_, {::getpid(), ::getppid()}, options_.control);
  }
  // An order is advice: one that cannot be written changes nothing for this tree.
  if (options_.record >= 0) (void)recorder_.write(options_.record);
  timespec used{};
  (void)::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  board_.cached_bytes = source_->cached_bytes();
  board_.cpu_ns = static_cast<uint64_t>(used.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(used.tv_nsec);
  say({options_.control, options_.log}, verdict);
  if (filled) return Exit::filled;
  return verdict.event == Event::refused ? Exit::refused : Exit::failed;
}

}  // namespace frazil::lazy
