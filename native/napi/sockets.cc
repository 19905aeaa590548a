// Socket pairs, and messages over them: the control plane between TypeScript and CRIU.

#include <cerrno>

#include "napi/args.h"
#include "napi/bindings.h"
#include "napi/call.h"
#include "napi/fd.h"
#include "napi/job.h"
#include "sys/scm_rights.h"
#include "sys/seqpacket.h"
#include "sys/socket_pair.h"

namespace frazil {
namespace {

Napi::Value wrap_pair(Napi::Env env, Result<SocketPair> made) {
  if (!made.ok()) return throw_failure(env, made.error());
  Napi::Array ends = Napi::Array::New(env, 2);
  ends.Set(0U, Fd::wrap(env, std::move(made.value().first)));
  ends.Set(1U, Fd::wrap(env, std::move(made.value().second)));
  return ends;
}

// seqpacketPair() -> [Fd, Fd]
Napi::Value seqpacket(const Napi::CallbackInfo& info) { return wrap_pair(info.Env(), seqpacket_pair()); }

// streamPair({ bufferBytes }?) -> [Fd, Fd]
Napi::Value stream(const Napi::CallbackInfo& info) {
  const auto buffer = to_unsigned_or(property(info[0], "bufferBytes"), 0, "bufferBytes: a size in bytes");
  if (!buffer) return {};
  return wrap_pair(info.Env(), stream_pair(*buffer));
}

// datagramSocket() -> Fd
Napi::Value datagram(const Napi::CallbackInfo& info) {
  auto made = datagram_socket();
  if (!made.ok()) return throw_failure(info.Env(), made.error());
  return Fd::wrap(info.Env(), std::move(made).value());
}

std::optional<std::vector<int>> borrow_all(const Napi::Value& value) {
  std::vector<int> numbers;
  if (value.IsUndefined()) return numbers;
  if (!value.IsArray()) {
    throw_misuse(value.Env(), "fds: an array of Fd");
    return std::nullopt;
  }
  const auto array = value.As<Napi::Array>();
  for (uint32_t i = 0; i < array.Length(); ++i) {
    const auto fd = Fd::borrow(array.Get(i));
    if (!fd) return std::nullopt;
    numbers.push_back(*fd);
  }
  return numbers;
}

// send(fd, bytes, fds?): the fds are borrowed; the peer gets its own.
Napi::Value send(const Napi::CallbackInfo& info) {
  const auto fd = Fd::borrow(info[0]);
  if (!fd) return {};
  const auto bytes = to_bytes(info[1], "bytes: a Uint8Array");
  if (!bytes) return {};
  const auto fds = borrow_all(info[2]);
  if (!fds) return {};
  const auto sent = send_message(*fd, *bytes, *fds);
  if (!sent.ok()) return throw_failure(info.Env(), sent.error());
  return {};
}

Napi::Value to_view(Napi::Env env, Message& message) {
  Napi::Array fds = Napi::Array::New(env);
  for (uint32_t i = 0; i < message.fds.size(); ++i) fds.Set(i, Fd::wrap(env, std::move(message.fds[i])));
  Napi::Object view = Napi::Object::New(env);
  view.Set("bytes", new_bytes(env, message.bytes));
  view.Set("fds", fds);
  return view;
}

// receiveSoon(fd, microseconds) -> { bytes, fds } | 'hung-up' | undefined
Napi::Value receive_answer(const Napi::CallbackInfo& info) {
  const auto fd = Fd::borrow(info[0]);
  if (!fd) return {};
  const auto limit = to_int(info[1], "microseconds: a number");
  if (!limit) return {};
  auto taken = receive_soon(*fd, *limit);
  if (!taken.ok() && taken.error().number == EAGAIN) return info.Env().Undefined();
  if (!taken.ok()) return throw_failure(info.Env(), taken.error());
  if (!taken.value()) return Napi::String::New(info.Env(), "hung-up");
  return to_view(info.Env(), *taken.value());
}

// One message per job, which leaves no state between two messages that an abort would have to clean up. A session with
// a child of its own, which receives more often, has one thread for all (watchChild in children.cc).
class ReceiveJob final : public Job {
 public:
  explicit ReceiveJob(UniqueFd fd) noexcept : fd_(std::move(fd)) {}

 private:
  void run(const Cancel& cancel) noexcept override {
    const UniqueFd fd = std::move(fd_);
    received_ = receive_message(fd.get(), cancel);
  }

  Result<Napi::Value> settle(Napi::Env env) override {
    if (!received_.ok()) return received_.error();
    auto& message = received_.value();
    if (!message) return env.Undefined();
    return to_view(env, *message);
  }

  UniqueFd fd_;
  Result<std::optional<Message>> received_ = std::optional<Message>();
};

// receive(fd) -> Job<{ bytes, fds } | undefined>
Napi::Value receive(const Napi::CallbackInfo& info) {
  auto fd = Fd::duplicate(info[0]);
  if (!fd) return {};
  return Job::start(info.Env(), "frazil-receive", std::make_unique<ReceiveJob>(std::move(*fd)), info.Env().Undefined());
}

}  // namespace

void define_sockets(Napi::Env env, Napi::Object exports) {
  exports.Set("seqpacketPair", Napi::Function::New<seqpacket>(env, "seqpacketPair"));
  exports.Set("streamPair", Napi::Function::New<stream>(env, "streamPair"));
  exports.Set("datagramSocket", Napi::Function::New<datagram>(env, "datagramSocket"));
  exports.Set("send", Napi::Function::New<send>(env, "send"));
  exports.Set("receiveSoon", Napi::Function::New<receive_answer>(env, "receiveSoon"));
  exports.Set("receive", Napi::Function::New<receive>(env, "receive"));
}

}  // namespace frazil
