// feedPages: serves the pages of images to one peer.

#include "archive/archive_pages.h"
#include "napi/args.h"
#include "napi/bindings.h"
#include "napi/call.h"
#include "napi/fd.h"
#include "napi/job.h"
#include "napi/transfer_args.h"
#include "page/directory_source.h"
#include "page/page_feeder.h"

namespace frazil {
namespace {

struct Feeding {
  UniqueFd socket;
  UniqueFd directory;
  UniqueFd archive;  // none: the pages are in the directory
  UniqueFd places;
  UniqueFd chain;  // none: the directory says itself where its pages are
};

const char* to_name(page::FeedFault fault) {
  constexpr const char* kNames[] = {"system", "cancelled", "hung-up", "bad-request", "not-there", "source"};
  return kNames[static_cast<size_t>(fault)];
}

class FeedJob final : public Job {
 public:
  explicit FeedJob(Feeding what) noexcept : what_(std::move(what)) {}

 private:
  void run(const Cancel& cancel) noexcept override {
    Feeding what = std::move(what_);
    auto place = open_place(what);
    if (!place.ok()) {
      error_ = place.error();
      return;
    }
    page::DirectorySource source(std::move(what.directory), std::move(place).value(), std::move(what.chain));
    failure_ = page::PageFeeder(source, *counters_).serve(what.socket.get(), cancel);
  }

  static Result<std::unique_ptr<page::PagesPlace>> open_place(Feeding& what) noexcept {
    if (!what.archive) return std::unique_ptr<page::PagesPlace>();
    auto places = archive::read_places(what.places.get());
    if (!places.ok()) return places.error();
    auto stream = archive::StreamFile::open(std::move(what.archive));
    if (!stream.ok()) return stream.error();
    return std::unique_ptr<page::PagesPlace>(
        new archive::ArchivePages(std::move(stream).value(), std::move(places).value()));
  }

  // What the peer did wrong, and what is wrong with the images, is a value.
  Result<Napi::Value> settle(Napi::Env env) override {
    if (error_) return *error_;
    if (!failure_) return env.Undefined();
    if (failure_->fault == page::FeedFault::cancelled || failure_->fault == page::FeedFault::system)
      return failure_->error;
    Napi::Object view = Napi::Object::New(env);
    view.Set("fault", to_name(failure_->fault));
    view.Set("errno", failure_->error.number);
    view.Set("syscall", failure_->error.op);
    view.Set("pid", static_cast<double>(failure_->image.id));
    view.Set("vaddr", Napi::BigInt::New(env, failure_->vaddr));
    return view;
  }

  Snapshot snapshot() const override {
    return [counters = counters_](Napi::Env env) -> Napi::Value {
      Napi::Object view = Napi::Object::New(env);
      view.Set("requests", static_cast<double>(counters->requests.load(std::memory_order_relaxed)));
      view.Set("bytes", static_cast<double>(counters->bytes.load(std::memory_order_relaxed)));
      return view;
    };
  }

  Feeding what_;
  std::shared_ptr<page::FeedCounters> counters_ = std::make_shared<page::FeedCounters>();
  std::optional<SysError> error_;
  std::optional<page::FeedFailure> failure_;
};

// feedPages({ socket: Fd (consumed), images: Fd, archive?: Fd, places?: Fd }) -> Job<failure | undefined, { requests, bytes }>
Napi::Value feed_pages(const Napi::CallbackInfo& info) {
  auto directory = Fd::duplicate(property(info[0], "images"));
  if (!directory) return {};
  auto archive = to_optional_fd(property(info[0], "archive"));
  if (!archive) return {};
  auto places = to_optional_fd(property(info[0], "places"));
  if (!places) return {};
  auto chain = to_optional_fd(property(info[0], "chain"));
  if (!chain) return {};
  auto socket = Fd::consume(property(info[0], "socket"));
  if (!socket) return {};
  auto job = std::make_unique<FeedJob>(
      Feeding{std::move(*socket), std::move(*directory), std::move(*archive), std::move(*places), std::move(*chain)});
  return Job::start(info.Env(), "frazil-feed", std::move(job), info.Env().Undefined());
}

}  // namespace

void define_feeder(Napi::Env env, Napi::Object exports) {
  exports.Set("feedPages", Napi::Function::New<feed_pages>(env, "feedPages"));
}

}  // namespace frazil
