// verifyPages: whether the pages that an images directory promises are there.

#include "page/verify.h"
#include "napi/args.h"
#include "napi/bindings.h"
#include "napi/fd.h"
#include "napi/job.h"

namespace frazil {
namespace {

class VerifyJob final : public Job {
 public:
  VerifyJob(UniqueFd directory, std::vector<std::string> names) noexcept
      : directory_(std::move(directory)), names_(std::move(names)) {}

 private:
  void run(const Cancel& cancel) noexcept override {
    const UniqueFd directory = std::move(directory_);
    outcome_ = page::verify_pages(directory.get(), names_, cancel, &at_);
  }

  // What is wrong with the images is a value; that they cannot be read as pagemaps is one, too.
  Result<Napi::Value> settle(Napi::Env env) override {
    const bool unreadable =
        !outcome_.ok() && (outcome_.error().number == EBADMSG || outcome_.error().number == ENOTSUP);
    if (!outcome_.ok() && !unreadable) return outcome_.error();
    if (!unreadable && !outcome_.value()) return env.Undefined();
    Napi::Object view = Napi::Object::New(env);
    if (unreadable) {
      view.Set("name", at_);
      view.Set("newer", outcome_.error().number == ENOTSUP);
      return view;
    }
    const page::BadImage& bad = *outcome_.value();
    view.Set("name", bad.name);
    view.Set("expectedBytes", static_cast<double>(bad.expected_bytes));
    view.Set("actualBytes", static_cast<double>(bad.actual_bytes));
    return view;
  }

  UniqueFd directory_;
  std::vector<std::string> names_;
  std::string at_;
  Result<std::optional<page::BadImage>> outcome_ = std::optional<page::BadImage>();
};

// verifyPages(directory: Fd, names: string[]) -> Job<{ name, newer?, expectedBytes?, actualBytes? } | undefined>
Napi::Value verify_pages(const Napi::CallbackInfo& info) {
  auto directory = Fd::duplicate(info[0]);
  if (!directory) return {};
  auto names = to_strings(info[1], "names: an array of strings");
  if (!names) return {};
  return Job::start(info.Env(), "frazil-verify", std::make_unique<VerifyJob>(std::move(*directory), std::move(*names)),
                    info.Env().Undefined());
}

}  // namespace

void define_verify(Napi::Env env, Napi::Object exports) {
  exports.Set("verifyPages", Napi::Function::New<verify_pages>(env, "verifyPages"));
}

}  // namespace frazil
