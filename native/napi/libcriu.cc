// libcriu, on a job of its own: the call blocks for as long as CRIU works.

#include "criu/libcriu.h"

#include <memory>
#include <utility>

#include "napi/args.h"
#include "napi/bindings.h"
#include "napi/call.h"
#include "napi/fd.h"
#include "napi/job.h"

namespace frazil {
namespace {

std::optional<LibcriuArgument> to_argument(const Napi::Value& value) {
  if (value.IsNull()) return LibcriuArgument();
  if (value.IsBoolean()) return LibcriuArgument(value.As<Napi::Boolean>().Value() ? 1.0 : 0.0);
  if (value.IsNumber()) return LibcriuArgument(value.As<Napi::Number>().DoubleValue());
  auto text = to_string(value, "arguments: numbers, booleans, strings or null");
  if (!text) return std::nullopt;
  return LibcriuArgument(std::move(*text));
}

// What the call reads is there: the signature says how many arguments it takes.
bool fits(const LibcriuSetter& setter) {
  const size_t marks = setter.signature.starts_with('!') ? 1 : 0;
  return setter.signature.ends_with('v') || setter.arguments.size() == setter.signature.size() - marks;
}

std::optional<LibcriuSetter> to_setter(const Napi::Value& value) {
  auto symbol = to_string(property(value, "symbol"), "symbol: a string");
  if (!symbol) return std::nullopt;
  auto signature = to_string(property(value, "signature"), "signature: a string");
  if (!signature) return std::nullopt;
  LibcriuSetter setter{std::move(*symbol), std::move(*signature), {}};
  const Napi::Value arguments = property(value, "arguments");
  if (!arguments.IsArray()) {
    throw_misuse(value.Env(), "arguments: an array");
    return std::nullopt;
  }
  for (uint32_t i = 0; i < arguments.As<Napi::Array>().Length(); ++i) {
    auto argument = to_argument(arguments.As<Napi::Array>().Get(i));
    if (!argument) return std::nullopt;
    setter.arguments.push_back(std::move(*argument));
  }
  if (fits(setter)) return setter;
  throw_misuse(value.Env(), "arguments: as many as the signature says");
  return std::nullopt;
}

std::optional<std::vector<bool>> to_features(const Napi::Value& value) {
  std::vector<bool> features;
  if (value.IsUndefined()) return features;
  if (!value.IsArray()) {
    throw_misuse(value.Env(), "features: an array of booleans");
    return std::nullopt;
  }
  for (uint32_t i = 0; i < value.As<Napi::Array>().Length(); ++i) {
    const auto feature = to_boolean(value.As<Napi::Array>().Get(i), "features: an array of booleans");
    if (!feature) return std::nullopt;
    features.push_back(*feature);
  }
  return features;
}

std::optional<LibcriuCall> to_call(const Napi::Value& value) {
  auto library = to_string(property(value, "library"), "library: a path");
  if (!library) return std::nullopt;
  auto symbol = to_string(property(value, "symbol"), "symbol: a string");
  if (!symbol) return std::nullopt;
  auto features = to_features(property(value, "features"));
  if (!features) return std::nullopt;
  LibcriuCall call{std::move(*library), {}, std::move(*symbol), std::move(*features)};
  const Napi::Value setters = property(value, "setters");
  if (!setters.IsArray()) {
    throw_misuse(value.Env(), "setters: an array");
    return std::nullopt;
  }
  for (uint32_t i = 0; i < setters.As<Napi::Array>().Length(); ++i) {
    auto setter = to_setter(setters.As<Napi::Array>().Get(i));
    if (!setter) return std::nullopt;
    call.setters.push_back(std::move(*setter));
  }
  return call;
}

const char* name_of(LibcriuEnd end) noexcept {
  switch (end) {
    case LibcriuEnd::returned:
      return "returned";
    case LibcriuEnd::no_library:
      return "no-library";
    case LibcriuEnd::no_symbol:
      return "no-symbol";
    case LibcriuEnd::setter_failed:
      return "setter-failed";
    case LibcriuEnd::busy:
      return "busy";
  }
  return "returned";
}

class LibcriuJob final : public Job {
 public:
  LibcriuJob(LibcriuCall call, UniqueFd service, UniqueFd channel) noexcept
      : call_(std::move(call)), service_(std::move(service)), channel_(std::move(channel)) {}

 private:
  void run(const Cancel& cancel) noexcept override {
    const UniqueFd service = std::move(service_);
    const UniqueFd channel = std::move(channel_);
    outcome_ = call_libcriu(call_, service, channel, cancel);
  }

  Result<Napi::Value> settle(Napi::Env env) override {
    if (!outcome_.ok()) return outcome_.error();
    const LibcriuOutcome& outcome = outcome_.value();
    Napi::Object view = Napi::Object::New(env);
    view.Set("kind", name_of(outcome.end));
    view.Set("value", outcome.value);
    view.Set("errno", outcome.error);
    view.Set("symbol", outcome.symbol);
    Napi::Array features = Napi::Array::New(env);
    for (uint32_t i = 0; i < outcome.features.size(); ++i) {
      features.Set(i, Napi::Boolean::New(env, outcome.features[i]));
    }
    view.Set("features", features);
    return view;
  }

  LibcriuCall call_;
  UniqueFd service_;
  UniqueFd channel_;
  Result<LibcriuOutcome> outcome_ = LibcriuOutcome{};
};

// libcriu({ library, setters, symbol, features }, service, channel) -> Job<{ kind, value, errno, symbol, features }>
Napi::Value libcriu(const Napi::CallbackInfo& info) {
  auto call = to_call(info[0]);
  if (!call) return {};
  auto service = Fd::duplicate(info[1]);
  if (!service) return {};
  auto channel = Fd::duplicate(info[2]);
  if (!channel) return {};
  auto job = std::make_unique<LibcriuJob>(std::move(*call), std::move(*service), std::move(*channel));
  return Job::start(info.Env(), "frazil-libcriu", std::move(job), info.Env().Undefined());
}

}  // namespace

void define_libcriu(Napi::Env env, Napi::Object exports) {
  exports.Set("libcriu", Napi::Function::New<libcriu>(env, "libcriu"));
}

}  // namespace frazil
