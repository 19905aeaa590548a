// The page sink for TypeScript: three jobs over one Sink, which they share. TypeScript calls them one after the other.

#include "napi/archive.h"
#include "napi/args.h"
#include "napi/bindings.h"
#include "napi/call.h"
#include "napi/counters.h"
#include "napi/failure_view.h"
#include "napi/fd.h"
#include "napi/instance.h"
#include "napi/job.h"
#include "page/sink.h"
#include "sys/private_tmpfs.h"

namespace frazil {
namespace {

using page::Counters;

// What the jobs of one sink share. The Sink goes with the last of them, on whatever thread that is.
struct Shared {
  std::shared_ptr<Counters> counters;
  std::shared_ptr<SharedArchive> archive;  // that the sink writes into, if it does: goes after it
  std::unique_ptr<page::Sink> sink;
};

class SinkJob : public Job {
 public:
  explicit SinkJob(std::shared_ptr<Shared> shared) noexcept : shared_(std::move(shared)) {}

 protected:
  Snapshot snapshot() const override {
    return [counters = shared_->counters](Napi::Env env) { return counters_view(env, *counters); };
  }
  page::Sink& sink() noexcept { return *shared_->sink; }

 private:
  std::shared_ptr<Shared> shared_;
};

// A step that ends without a value.
class StepJob : public SinkJob {
 public:
  using SinkJob::SinkJob;

 protected:
  Result<void> outcome_;

 private:
  Result<Napi::Value> settle(Napi::Env env) override {
    if (!outcome_.ok()) return outcome_.error();
    return env.Undefined();
  }
};

class PrepareJob final : public StepJob {
 public:
  PrepareJob(std::shared_ptr<Shared> shared, uint64_t bytes) noexcept : StepJob(std::move(shared)), bytes_(bytes) {}

 private:
  void run(const Cancel& cancel) noexcept override { outcome_ = sink().prepare(bytes_, cancel); }

  uint64_t bytes_;
};

class ServeJob final : public SinkJob {
 public:
  ServeJob(std::shared_ptr<Shared> shared, UniqueFd socket) noexcept
      : SinkJob(std::move(shared)), socket_(std::move(socket)) {}

 private:
  void run(const Cancel& cancel) noexcept override {
    const UniqueFd socket = std::move(socket_);
    failure_ = sink().serve(socket.get(), cancel);
  }
  // A failure of the protocol is a value: TypeScript joins it with what CRIU says before anything is thrown.
  Result<Napi::Value> settle(Napi::Env env) override {
    Napi::Object view = Napi::Object::New(env);
    const page::HeaderForm form = sink().form();
    if (form != page::HeaderForm::unknown) view.Set("headerBytes", form == page::HeaderForm::wide ? 32 : 24);
    if (failure_) view.Set("failure", failure_view(env, *failure_));
    return view;
  }

  UniqueFd socket_;
  std::optional<page::Failure> failure_;
};

class SettleJob final : public StepJob {
 public:
  using StepJob::StepJob;

 private:
  void run(const Cancel& cancel) noexcept override { outcome_ = sink().settle(cancel); }
};

class DedupJob final : public StepJob {
 public:
  using StepJob::StepJob;

 private:
  void run(const Cancel&) noexcept override { outcome_ = sink().dedup(); }
};

class PageSink : public Napi::ObjectWrap<PageSink> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "PageSink",
                       {InstanceMethod<&PageSink::prepare>("prepare"), InstanceMethod<&PageSink::serve>("serve"),
                        InstanceMethod<&PageSink::settle>("settle"), InstanceMethod<&PageSink::dedup>("dedup"),
                        InstanceMethod<&PageSink::close>("close"), InstanceMethod<&PageSink::counters>("counters")});
  }

  explicit PageSink(const Napi::CallbackInfo& info) : Napi::ObjectWrap<PageSink>(info) { open(info); }

 private:
  // new PageSink({ directory: Fd, parent?: Fd, store: 'memory' | 'directory', workers, firstPagesId, archive? })
  void open(const Napi::CallbackInfo& info) {
    auto directory = Fd::duplicate(property(info[0], "directory"));
    if (!directory) return;
    UniqueFd parent;
    if (const auto given = property(info[0], "parent"); !given.IsUndefined()) {
      auto duplicate = Fd::duplicate(given);
      if (!duplicate) return;
      parent = std::move(*duplicate);
    }
    const auto store = to_string(property(info[0], "store"), "store: 'memory' or 'directory'");
    const auto workers = to_unsigned(property(info[0], "workers"), "workers: a number");
    const auto first = to_unsigned(property(info[0], "firstPagesId"), "firstPagesId: a number");
    if (!store || !workers || !first) return;
    page::SinkOptions options;
    options.store = *store == "memory" ? page::StoreKind::memory : page::StoreKind::directory;
    options.receiver = {static_cast<unsigned>(*workers), static_cast<uint32_t>(*first)};
    if (const auto given = property(info[0], "archive"); !given.IsUndefined()) {
      open_over(given, std::move(*directory), std::move(parent), options);
    } else {
      keep(info.Env(), page::Sink::open(std::move(*directory), std::move(parent), options, counters_), {});
    }
  }

  // archive: { writer: ArchiveWriter, spill?: Fd, memoryBytes }: pages go there, pagemaps into the directory.
  void open_over(const Napi::Value& given, UniqueFd directory, UniqueFd parent, const page::SinkOptions& options) {
    auto archive = archive_from(property(given, "writer"));
    if (!archive) return;
    const auto memory = to_unsigned(property(given, "memoryBytes"), "memoryBytes: a number");
    UniqueFd spill;
    if (const auto place = property(given, "spill"); !place.IsUndefined()) {
      auto duplicate = Fd::duplicate(place);
      if (!duplicate) return;
      spill = std::move(*duplicate);
    }
    if (!memory) return;
    counters_ = archive->counters;
    const unsigned workers = options.receiver.workers;
    auto store = options.store == page::StoreKind::memory
                     ? archive->archive->absorbing_store(std::move(spill), workers, *memory)
                     : archive->archive->direct_store(workers);
    if (!store.ok()) return (void)throw_failure(given.Env(), store.error());
    auto sink = page::Sink::over(std::move(store).value(), std::move(directory), std::move(parent), options.receiver,
                                 counters_);
    keep(given.Env(), std::move(sink), std::move(archive));
  }

  void keep(Napi::Env env, Result<std::unique_ptr<page::Sink>> sink, std::shared_ptr<SharedArchive> archive) {
    if (!sink.ok()) return (void)throw_failure(env, sink.error());
    shared_ = std::make_shared<Shared>(Shared{counters_, std::move(archive), std::move(sink).value()});
  }

  Napi::Value prepare(const Napi::CallbackInfo& info) {
    const auto bytes = to_unsigned(info[0], "expectedBytes: a size in bytes");
    if (!bytes || is_closed(info.Env())) return info.Env().Undefined();
    return Job::start(info.Env(), "frazil-prepare", std::make_unique<PrepareJob>(shared_, *bytes), info[1]);
  }

  // The socket is consumed: when the job has ended, CRIU sees the end of it.
  Napi::Value serve(const Napi::CallbackInfo& info) {
    if (is_closed(info.Env())) return {};
    auto socket = Fd::consume(info[0]);
    if (!socket) return info.Env().Undefined();
    return Job::start(info.Env(), "frazil-pages", std::make_unique<ServeJob>(shared_, std::move(*socket)), info[1]);
  }

  Napi::Value settle(const Napi::CallbackInfo& info) {
    if (is_closed(info.Env())) return {};
    return Job::start(info.Env(), "frazil-settle", std::make_unique<SettleJob>(shared_), info[0]);
  }

  Napi::Value dedup(const Napi::CallbackInfo& info) {
    if (is_closed(info.Env())) return {};
    return Job::start(info.Env(), "frazil-dedup", std::make_unique<DedupJob>(shared_), info[0]);
  }

  // Absorbed pages may be gigabytes, which must not wait for the garbage collector. A job that runs keeps its share.
  void close(const Napi::CallbackInfo&) { shared_.reset(); }

  Napi::Value counters(const Napi::CallbackInfo& info) { return counters_view(info.Env(), *counters_); }

  bool is_closed(Napi::Env env) {
    if (shared_) return false;
    (void)throw_misuse(env, "the page sink is closed");
    return true;
  }

  std::shared_ptr<Counters> counters_ = std::make_shared<Counters>();
  std::shared_ptr<Shared> shared_;  // empty when closed
};

// privateTmpfs() -> Fd
Napi::Value private_tmpfs(const Napi::CallbackInfo& info) {
  auto root = open_private_tmpfs(PageBacking::small);
  if (!root.ok()) return throw_failure(info.Env(), root.error());
  return Fd::wrap(info.Env(), std::move(root).value());
}

}  // namespace

void define_pages(Napi::Env env, Napi::Object exports) {
  exports.Set("PageSink", PageSink::define(env));
  exports.Set("privateTmpfs", Napi::Function::New<private_tmpfs>(env, "privateTmpfs"));
}

}  // namespace frazil
