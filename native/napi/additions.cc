// Members of an archive from files below a folder, into any fd (native/archive/members.h), and what a walk of a folder needs beside them.

#include "napi/additions.h"

#include "napi/args.h"
#include "napi/bindings.h"
#include "napi/call.h"
#include "napi/fd.h"
#include "napi/job.h"
#include "sys/xattrs.h"

namespace frazil {
namespace {

std::optional<archive::Addition> to_addition(const Napi::Value& value, const char*) {
  archive::Addition addition;
  const auto head = to_bytes(property(value, "head"), "head: bytes");
  if (!head) return std::nullopt;
  addition.head.assign(head->begin(), head->end());
  const Napi::Value within = property(value, "within");
  addition.within = within.IsBoolean() && within.As<Napi::Boolean>().Value();
  if (property(value, "name").IsUndefined()) return addition;
  auto name = to_string(property(value, "name"), "name: a string");
  if (!name) return std::nullopt;
  const auto bytes = to_unsigned(property(value, "bytes"), "bytes: a number");
  if (!bytes) return std::nullopt;
  addition.name = std::move(*name);
  addition.bytes = *bytes;
  return addition;
}

class MembersJob final : public Job {
 public:
  MembersJob(UniqueFd folder, UniqueFd to, std::vector<archive::Addition> additions) noexcept
      : folder_(std::move(folder)), to_(std::move(to)), additions_(std::move(additions)) {}

 private:
  void run(const Cancel& cancel) noexcept override {
    const UniqueFd folder = std::move(folder_);
    const UniqueFd to = std::move(to_);
    outcome_ = archive::write_members(folder.get(), additions_, to.get(), cancel, *counters_);
  }

  Result<Napi::Value> settle(Napi::Env env) override {
    if (!outcome_.ok()) return outcome_.error();
    return view(env, *counters_);
  }

  Snapshot snapshot() const override {
    return [counters = counters_](Napi::Env env) { return view(env, *counters); };
  }

  static Napi::Value view(Napi::Env env, const stream::Counters& counters) {
    Napi::Object plain = Napi::Object::New(env);
    plain.Set("bytes", static_cast<double>(counters.bytes.load(std::memory_order_relaxed)));
    plain.Set("bytesUser", static_cast<double>(counters.bytes_user.load(std::memory_order_relaxed)));
    return plain;
  }

  UniqueFd folder_;
  UniqueFd to_;
  std::vector<archive::Addition> additions_;
  std::shared_ptr<stream::Counters> counters_ = std::make_shared<stream::Counters>();
  Result<void> outcome_;
};

// writeMembers(folder: Fd, to: Fd, [{ head, name?, bytes? }]) -> Job<{ bytes, bytesUser }>
Napi::Value write_members(const Napi::CallbackInfo& info) {
  auto folder = Fd::duplicate(info[0]);
  if (!folder) return {};
  auto to = Fd::duplicate(info[1]);
  if (!to) return {};
  auto additions = to_additions(info[2]);
  if (!additions) return {};
  auto job = std::make_unique<MembersJob>(std::move(*folder), std::move(*to), std::move(*additions));
  return Job::start(info.Env(), "frazil-members", std::move(job), info.Env().Undefined());
}

// readXattrs(path) -> [{ name, value }]
Napi::Value xattrs_of(const Napi::CallbackInfo& info) {
  const auto path = to_string(info[0], "path: a string");
  if (!path) return {};
  const auto read = read_xattrs(path->c_str());
  if (!read.ok()) return throw_failure(info.Env(), read.error());
  Napi::Array list = Napi::Array::New(info.Env(), read.value().size());
  for (uint32_t i = 0; i < read.value().size(); ++i) {
    Napi::Object one = Napi::Object::New(info.Env());
    one.Set("name", read.value()[i].name);
    one.Set("value", new_bytes(info.Env(), read.value()[i].value));
    list.Set(i, one);
  }
  return list;
}

}  // namespace

std::optional<std::vector<archive::Addition>> to_additions(const Napi::Value& value) {
  return to_vector<archive::Addition>(value, "additions: an array", to_addition);
}

void define_members(Napi::Env env, Napi::Object exports) {
  exports.Set("writeMembers", Napi::Function::New<write_members>(env, "writeMembers"));
  exports.Set("readXattrs", Napi::Function::New<xattrs_of>(env, "readXattrs"));
}

}  // namespace frazil
