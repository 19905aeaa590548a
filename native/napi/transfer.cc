// The page streams of a migration for TypeScript: PageSender at the source, PageIntake at the destination. Their jobs run one after
// the other; TypeScript sees to it.

#include "napi/args.h"
#include "napi/bindings.h"
#include "napi/call.h"
#include "napi/failure_view.h"
#include "napi/fd.h"
#include "napi/job.h"
#include "napi/transfer_args.h"
#include "transfer/intake.h"
#include "transfer/sender.h"

namespace frazil {
namespace {

using transfer::Counters;

Napi::Value to_view(Napi::Env env, const Counters& counters) {
  const std::pair<const char*, const std::atomic<uint64_t>*> fields[] = {
      {"pagesIn", &counters.pages_in},         {"zeroPages", &counters.zero_pages},
      {"samePages", &counters.same_pages},     {"sentPages", &counters.sent_pages},     {"leftPages", &counters.left_pages},
      {"packedPages", &counters.packed_pages},
      {"patchedPages", &counters.patched_pages}, {"patchBytes", &counters.patch_bytes}, {"bodyBytes", &counters.body_bytes},
      {"wireBytes", &counters.wire_bytes},     {"cpuNs", &counters.cpu_ns},
      {"stallNs", &counters.stall_ns},         {"readNs", &counters.read_ns},
      {"sortNs", &counters.sort_ns},
  };
  Napi::Object view = Napi::Object::New(env);
  // A double is exact up to 2^53.
  for (const auto& [name, value] : fields) {
    view.Set(name, static_cast<double>(value->load(std::memory_order_relaxed)));
  }
  return view;
}

// Either end with what its jobs share; it goes with the last of them.
template <typename End>
struct Shared {
  std::shared_ptr<Counters> counters;
  std::unique_ptr<End> end;
};
template <typename End>
using SharedEnd = std::shared_ptr<Shared<End>>;

// A step that ends without a value.
template <typename End, typename Step>
class StepJob final : public Job {
 public:
  StepJob(SharedEnd<End> shared, Step step) noexcept : shared_(std::move(shared)), step_(std::move(step)) {}

 private:
  void run(const Cancel& cancel) noexcept override {
    Step step = std::move(step_);
    outcome_ = step(*shared_->end, cancel);
  }
  Result<Napi::Value> settle(Napi::Env env) override {
    if (!outcome_.ok()) return outcome_.error();
    return env.Undefined();
  }
  Snapshot snapshot() const override {
    return [counters = shared_->counters](Napi::Env env) { return to_view(env, *counters); };
  }

  SharedEnd<End> shared_;
  Step step_;
  Result<void> outcome_;
};

template <typename End, typename Step>
Napi::Value start_step(Napi::Env env, const char* name, SharedEnd<End> shared, Step step) {
  return Job::start(env, name, std::make_unique<StepJob<End, Step>>(std::move(shared), std::move(step)),
                    env.Undefined());
}

class ServeJob final : public Job {
 public:
  ServeJob(SharedEnd<transfer::Sender> shared, UniqueFd socket, UniqueFd parent) noexcept
      : shared_(std::move(shared)), socket_(std::move(socket)), parent_(std::move(parent)) {}

 private:
  void run(const Cancel& cancel) noexcept override {
    const UniqueFd socket = std::move(socket_);
    failure_ = shared_->end->serve(socket.get(), std::move(parent_), cancel);
  }
  // As of the page sink: TypeScript joins it with what CRIU says.
  Result<Napi::Value> settle(Napi::Env env) override {
    Napi::Object view = Napi::Object::New(env);
    if (failure_) view.Set("failure", failure_view(env, *failure_));
    return view;
  }
  Snapshot snapshot() const override {
    return [counters = shared_->counters](Napi::Env env) { return to_view(env, *counters); };
  }

  SharedEnd<transfer::Sender> shared_;
  UniqueFd socket_;
  UniqueFd parent_;
  std::optional<page::Failure> failure_;
};

template <typename End>
bool is_closed(Napi::Env env, const SharedEnd<End>& shared) {
  if (shared) return false;
  (void)throw_misuse(env, "the page stream is closed");
  return true;
}

class PageSender : public Napi::ObjectWrap<PageSender> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "PageSender",
                       {InstanceMethod<&PageSender::serve>("serve"), InstanceMethod<&PageSender::scan>("scan"),
                        InstanceMethod<&PageSender::leave>("leave"),
                        InstanceMethod<&PageSender::finish>("finish"), InstanceMethod<&PageSender::close>("close"),
                        InstanceMethod<&PageSender::counters>("counters")});
  }
  explicit PageSender(const Napi::CallbackInfo& info) : Napi::ObjectWrap<PageSender>(info) { open(info); }

 private:
  // new PageSender({ streams: Fd[], keys?: Uint8Array[], digests: boolean, packing?: { codec, level, always },
  // delta?: { cacheBytes, always } })
  void open(const Napi::CallbackInfo& info) {
    auto sockets = to_sockets(property(info[0], "streams"));
    if (!sockets) return;
    auto keys = to_keys(property(info[0], "keys"));
    if (!keys) return;
    const auto digests = to_boolean(property(info[0], "digests"), "digests: a boolean");
    if (!digests) return;
    const auto packing = to_packing(property(info[0], "packing"));
    if (!packing) return;
    const auto delta = to_delta(property(info[0], "delta"));
    if (!delta) return;
    auto sender = transfer::Sender::open({std::move(*sockets), std::move(*keys), *digests, *packing, *delta}, counters_);
    if (!sender.ok()) {
      (void)throw_failure(info.Env(), sender.error());
      return;
    }
    shared_ = std::make_shared<Shared<transfer::Sender>>(counters_, std::move(sender).value());
  }

  // serve(socket: Fd (consumed), parent?: Fd)
  Napi::Value serve(const Napi::CallbackInfo& info) {
    if (is_closed(info.Env(), shared_)) return {};
    auto parent = to_optional_fd(info[1]);
    if (!parent) return {};
    auto socket = Fd::consume(info[0]);
    if (!socket) return {};
    auto job = std::make_unique<ServeJob>(shared_, std::move(*socket), std::move(*parent));
    return Job::start(info.Env(), "frazil-send", std::move(job), info.Env().Undefined());
  }

  // scan(tasks: number[]): pid for /proc, id of its images, and so on
  Napi::Value scan(const Napi::CallbackInfo& info) {
    if (is_closed(info.Env(), shared_) || !info[0].IsArray()) return {};
    std::vector<transfer::ScanTask> tasks;
    const auto array = info[0].As<Napi::Array>();
    for (uint32_t i = 0; i + 1 < array.Length(); i += 2) {
      const auto pid = to_int(array.Get(i), "a pid");
      const auto id = to_unsigned(array.Get(i + 1), "an id");
      if (!pid || !id) return {};
      tasks.push_back({*pid, *id});
    }
    const auto step = [tasks = std::move(tasks)](transfer::Sender& sender, const Cancel& cancel) noexcept {
      return sender.scan(tasks, cancel);
    };
    return start_step(info.Env(), "frazil-scan", shared_, step);
  }

  // leave(directory: Fd, tasks: number[], shmem: number[]): the ids of its images
  Napi::Value leave(const Napi::CallbackInfo& info) {
    if (is_closed(info.Env(), shared_)) return {};
    auto directory = Fd::duplicate(info[0]);
    if (!directory) return {};
    std::vector<page::ImageId> images;
    for (const auto& [kind, at] : {std::pair{page::ImageId::Kind::task, 1}, std::pair{page::ImageId::Kind::shmem, 2}}) {
      const auto ids = to_vector<uint64_t>(info[static_cast<size_t>(at)], "ids: numbers", to_unsigned);
      if (!ids) return {};
      for (const uint64_t id : *ids) images.push_back({kind, id});
    }
    auto step = [directory = std::move(*directory), images = std::move(images)](transfer::Sender& sender,
                                                                                const Cancel& cancel) mutable noexcept {
      return sender.leave(std::move(directory), images, cancel);
    };
    return start_step(info.Env(), "frazil-leave", shared_, std::move(step));
  }

  // finish(directory?: Fd)
  Napi::Value finish(const Napi::CallbackInfo& info) {
    if (is_closed(info.Env(), shared_)) return {};
    auto directory = to_optional_fd(info[0]);
    if (!directory) return {};
    auto step = [directory = std::move(*directory)](transfer::Sender& sender, const Cancel& cancel) noexcept {
      return sender.finish(directory.get(), cancel);
    };
    return start_step(info.Env(), "frazil-finish", shared_, std::move(step));
  }

  void close(const Napi::CallbackInfo&) { shared_.reset(); }
  Napi::Value counters(const Napi::CallbackInfo& info) { return to_view(info.Env(), *counters_); }

  std::shared_ptr<Counters> counters_ = std::make_shared<Counters>();
  SharedEnd<transfer::Sender> shared_;  // empty when closed
};

class PageIntake : public Napi::ObjectWrap<PageIntake> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(
        env, "PageIntake",
        {StaticMethod<&PageIntake::codecs>("codecs"), InstanceMethod<&PageIntake::receive>("receive"),
         InstanceMethod<&PageIntake::close>("close"), InstanceMethod<&PageIntake::counters>("counters")});
  }
  explicit PageIntake(const Napi::CallbackInfo& info) : Napi::ObjectWrap<PageIntake>(info) { open(info); }

 private:
  // new PageIntake({ streams: Fd[], keys?: Uint8Array[], maxBytes: number })
  void open(const Napi::CallbackInfo& info) {
    auto sockets = to_sockets(property(info[0], "streams"));
    if (!sockets) return;
    auto keys = to_keys(property(info[0], "keys"));
    if (!keys) return;
    const auto max_bytes = to_unsigned(property(info[0], "maxBytes"), "maxBytes: a size in bytes");
    if (!max_bytes) return;
    auto intake = transfer::Intake::open({std::move(*sockets), std::move(*keys), *max_bytes}, counters_);
    if (!intake.ok()) {
      (void)throw_failure(info.Env(), intake.error());
      return;
    }
    shared_ = std::make_shared<Shared<transfer::Intake>>(counters_, std::move(intake).value());
  }

  // codecs(): those that frames may be compressed with
  static Napi::Value codecs(const Napi::CallbackInfo& info) {
    Napi::Array names = Napi::Array::New(info.Env());
    uint32_t count = 0;
    for (const auto& [name, codec] : kPackings) {
      if (compress::open_decompressor(codec).ok()) names.Set(count++, name);
    }
    return names;
  }

  // receive(directory: Fd, parent: Fd | undefined, lacking: boolean)
  Napi::Value receive(const Napi::CallbackInfo& info) {
    if (is_closed(info.Env(), shared_)) return {};
    auto directory = Fd::duplicate(info[0]);
    if (!directory) return {};
    auto parent = to_optional_fd(info[1]);
    if (!parent) return {};
    const auto lacking = to_boolean(info[2], "lacking: a boolean");
    if (!lacking) return {};
    const auto extent = *lacking ? transfer::Intake::Extent::lacking : transfer::Intake::Extent::whole;
    auto step = [directory = std::move(*directory), parent = std::move(*parent), extent](
                    transfer::Intake& intake, const Cancel& cancel) mutable noexcept {
      return intake.receive(std::move(directory), std::move(parent), extent, cancel);
    };
    return start_step(info.Env(), "frazil-intake", shared_, std::move(step));
  }

  void close(const Napi::CallbackInfo&) { shared_.reset(); }
  Napi::Value counters(const Napi::CallbackInfo& info) { return to_view(info.Env(), *counters_); }

  std::shared_ptr<Counters> counters_ = std::make_shared<Counters>();
  SharedEnd<transfer::Intake> shared_;  // empty when closed
};

}  // namespace

void define_transfer(Napi::Env env, Napi::Object exports) {
  exports.Set("PageSender", PageSender::define(env));
  exports.Set("PageIntake", PageIntake::define(env));
}

}  // namespace frazil
