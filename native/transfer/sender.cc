#include "transfer/sender.h"

#include <sys/random.h>

namespace frazil::transfer {
namespace {

Result<StreamKey> random_key() noexcept {
  StreamKey key;
  const ssize_t got = ::getrandom(key.data(), key.size(), 0);
  if (got != static_cast<ssize_t>(key.size())) return SysError{errno, "getrandom"};
  return key;
}

}  // namespace

Result<std::unique_ptr<Sender>> Sender::open(SenderOptions options, std::shared_ptr<Counters> counters) noexcept {
  auto& [sockets, keys, digests, packing, delta] = options;
  if (sockets.empty() || (!keys.empty() && keys.size() != sockets.size())) return SysError{EINVAL, "connect"};
  const auto digest_key = random_key();
  if (!digest_key.ok()) return digest_key.error();
  std::unique_ptr<SentPages> sent;
  if (delta) {
    auto opened = SentPages::open(delta->cache_bytes);
    if (!opened.ok()) return opened.error();
    sent = std::move(opened).value();
  }
  std::vector<Worker> workers;
  for (size_t i = 0; i < sockets.size(); ++i) {
    auto stream = OutgoingStream::open(std::move(sockets[i]), keys.empty() ? std::optional<StreamKey>() : keys[i]);
    if (!stream.ok()) return stream.error();
    Worker& worker = workers.emplace_back(Worker{std::move(stream).value(), {}, {}, {}});
    if (sent) worker.delta.emplace(*sent, delta->always);
    if (packing) {
      auto packer = Packer::open(*packing);
      if (!packer.ok()) return packer.error();
      worker.packer = std::move(packer).value();
    }
    if (!digests) continue;
    auto digester = PageDigester::open(digest_key.value());
    if (!digester.ok()) return digester.error();
    worker.digester = std::move(digester).value();
  }
  return std::unique_ptr<Sender>(new Sender(std::move(sent), std::move(workers), std::move(counters)));
}

Level& Sender::begin(Maps maps) {
  level_ = std::make_unique<Level>(next_++, maps, workers_, tables_, *counters_);
  return *level_;
}

std::optional<page::Failure> Sender::serve(int socket, UniqueFd parent, const Cancel& cancel) noexcept {
  const auto system = [](SysError error) { return page::Failure{page::Fault::system, error}; };
  page::ParentChain parents;
  if (parent) {
    auto chain = page::ParentChain::open(std::move(parent));
    if (!chain.ok()) return system(chain.error());
    parents = std::move(chain).value();
  }
  Level& level = begin(Maps::given);
  level.follow(cancel);
  const page::ReceiverOptions options{static_cast<unsigned>(workers_.size()), 1};
  receiver_ = std::make_unique<page::Receiver>(level, std::move(parents), options, received_);
  const uint64_t cpu = received_.cpu_ns.load(std::memory_order_relaxed);
  auto failure = receiver_->serve(socket, cancel);
  level.add_cpu(received_.cpu_ns.load(std::memory_order_relaxed) - cpu);
  if (failure) shut_down();
  return failure;
}

Result<void> Sender::scan(const std::vector<ScanTask>& tasks, const Cancel& cancel) noexcept {
  scan_ = std::make_unique<Scan>();
  Level& level = begin(Maps::filled);
  level.follow(cancel);
  auto done = scan_->open(tasks, cancel);
  if (done.ok()) done = scan_->run(level, workers_, cancel);
  if (!done.ok()) shut_down();
  return done;
}

Result<void> Sender::leave(UniqueFd directory, const std::vector<page::ImageId>& images,
                           const Cancel& cancel) noexcept {
  leaving_ = std::make_unique<Leaving>(std::move(directory));
  Level& level = begin(Maps::given);
  level.follow(cancel);
  auto done = leaving_->run(images, level, workers_, cancel);
  if (!done.ok()) shut_down();
  return done;
}

Result<void> Sender::finish(int directory, const Cancel& cancel) noexcept {
  if (!level_) return SysError{EINVAL, "sendmsg"};
  auto finished = level_->finish(directory, cancel);
  if (!finished.ok()) shut_down();
  tables_ = level_->take_tables();
  level_.reset();
  receiver_.reset();
  scan_.reset();
  leaving_.reset();
  return finished;
}

void Sender::shut_down() noexcept {
  for (const Worker& worker : workers_) worker.stream.shut_down();
}

}  // namespace frazil::transfer
