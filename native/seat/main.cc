// `criu`, as runc and crun find it first in their PATH when Frazil started them (docs/design/containers.md). It hands the runtime's end of
// the conversation to Frazil and becomes the real CRIU on a socket of Frazil's. So CRIU has the pid, the parent, the cgroup,
// the stdio and the inherited fds that the runtime gave to its child, and Frazil stands between the two.
//
//   FRAZIL_SEAT_CRIU   path of the real CRIU
//   FRAZIL_SEAT        path of Frazil's SEQPACKET socket; without it, or with other arguments than `swrk N`, this only passes on
//
// We send "swrk N PID" with the runtime's socket; PID is who made it, as libcriu starts us as a grandchild. The answer is "AT AT ...": the numbers that the fds which came with it shall have; the
// first is CRIU's control socket. An end without an answer means that Frazil is gone or has refused: its own error says why, and
// the runtime sees a CRIU that failed.

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

#include "core/cancel.h"
#include "sys/seqpacket.h"
#include "sys/spawn.h"

namespace frazil {
namespace {

constexpr int kFirstFreeFd = 3;

[[noreturn]] void fail(const char* what, const char* name) noexcept {
  std::fprintf(stderr, "Error (frazil): cannot %s \"%s\": %s\n", what, name, std::strerror(errno));
  std::exit(EXIT_FAILURE);
}

// Nothing: the whole of `text` is not a number that an fd may have.
std::optional<int> to_fd_number(std::string_view text) noexcept {
  int number = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (number < kFirstFreeFd || number > kMaxChildFd) return std::nullopt;
  return number;
}

UniqueFd connect_to(const char* path) noexcept {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (std::strlen(path) >= sizeof address.sun_path) {
    errno = ENAMETOOLONG;
    fail("connect to", path);
  }
  std::strcpy(address.sun_path, path);
  UniqueFd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!socket) fail("make a socket for", path);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == -1) fail("connect to", path);
  return socket;
}

// 0: not known, and then nothing of the asker's can be opened.
pid_t maker_of(int socket) noexcept {
  ucred maker{};
  socklen_t size = sizeof maker;
  return ::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &maker, &size) == -1 ? 0 : maker.pid;
}

// Its own socket is closed before the fds that came take their places, which may be its place.
Message ask(const char* path, int runtime_socket) noexcept {
  const UniqueFd frazil = connect_to(path);
  const std::string hello = "swrk " + std::to_string(runtime_socket) + " " + std::to_string(maker_of(runtime_socket));
  const int fds[] = {runtime_socket};
  if (!send_message(frazil.get(), std::as_bytes(std::span(hello)), fds).ok()) fail("talk to", "frazil");
  auto never = Cancel::open();
  if (!never.ok()) fail("make", "an eventfd");
  auto answer = receive_message(frazil.get(), never.value());
  if (!answer.ok() || !answer.value()) {
    errno = answer.ok() ? ECONNRESET : answer.error().number;
    fail("hear from", "frazil");
  }
  return std::move(*answer.value());
}

// Puts every fd where it shall be, and returns the number of the first. None is closed on exec there; all our own are.
int take_places(const Message& answer) noexcept {
  std::string_view places(reinterpret_cast<const char*>(answer.bytes.data()), answer.bytes.size());
  int control = -1;
  for (const UniqueFd& fd : answer.fds) {
    const auto end = std::min(places.find(' '), places.size());
    const auto at = to_fd_number(places.substr(0, end));
    places.remove_prefix(std::min(end + 1, places.size()));
    // dup2() onto itself would leave close-on-exec on.
    const bool placed = at && (fd.get() == *at ? ::fcntl(*at, F_SETFD, 0) : ::dup2(fd.get(), *at)) != -1;
    if (!placed) fail("place", "an fd from frazil");
    if (control == -1) control = *at;
  }
  if (control == -1) fail("find", "the control socket");
  return control;
}

// The fds that came must not lie where another of them shall go.
void lift(Message& answer) noexcept {
  for (UniqueFd& fd : answer.fds) {
    UniqueFd lifted(::fcntl(fd.get(), F_DUPFD_CLOEXEC, kMaxChildFd + 1));
    if (!lifted) return;  // a low limit of open files: then the numbers are low as well, and Frazil's are far from 3
    fd = std::move(lifted);
  }
}

}  // namespace
}  // namespace frazil

int main(int argc, char** argv) {
  using namespace frazil;
  const char* criu = std::getenv("FRAZIL_SEAT_CRIU");
  const char* seat = std::getenv("FRAZIL_SEAT");
  if (criu == nullptr) {
    std::fprintf(stderr, "Error (frazil): FRAZIL_SEAT_CRIU is not set: this program is started by runtimes that Frazil has started\n");
    return EXIT_FAILURE;
  }
  std::string control;
  const auto runtime = argc == 3 && std::strcmp(argv[1], "swrk") == 0 ? to_fd_number(argv[2]) : std::nullopt;
  if (seat != nullptr && runtime) {
    Message answer = ask(seat, *runtime);
    lift(answer);
    control = std::to_string(take_places(answer));
    argv[2] = control.data();
  }
  ::execv(criu, argv);
  fail("start", criu);
}
