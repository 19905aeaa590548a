#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <random>

#include "core/thread.h"
#include "sys/memfd.h"
#include "sys/scm_rights.h"
#include "sys/seqpacket.h"
#include "sys/socket_pair.h"
#include "sys/wait_for.h"
#include "test/tests.h"

namespace frazil {
namespace {

using Bytes = std::vector<std::byte>;

ino_t inode(int fd) {
  struct stat found{};
  (void)::fstat(fd, &found);
  return found.st_ino;
}

Bytes random_bytes(std::mt19937& random, size_t size) {
  Bytes bytes(size);
  for (std::byte& one : bytes) one = static_cast<std::byte>(random());
  return bytes;
}

void test_boundaries(Tests& tests) {
  tests.run("receive_message() sizes the message itself, up to 1 MiB", [&] {
    const Cancel cancel = Cancel::open().value();
    const SocketPair pair = seqpacket_pair().value();
    for (const size_t size : {size_t{1}, size_t{8191}, size_t{8193}, size_t{200'000}, kMaxMessage}) {
      const Bytes sent(size, std::byte{7});
      const auto outcome = send_message(pair.first.get(), sent, {});
      // Without CAP_NET_ADMIN the send buffer stays small: then the sender hears of it, and nothing is cut.
      if (!outcome.ok()) tests.expect(outcome.error().number == EMSGSIZE);
      if (!outcome.ok()) continue;
      const auto received = receive_message(pair.second.get(), cancel);
      tests.expect(received.ok() && received.value() && received.value()->bytes == sent);
    }
  });
  tests.run("receive_message() refuses more than 1 MiB", [&] {
    const Cancel cancel = Cancel::open().value();
    const SocketPair pair = seqpacket_pair().value();
    const int room = 8 << 20;
    (void)::setsockopt(pair.first.get(), SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room);
    const auto outcome = send_message(pair.first.get(), Bytes(kMaxMessage + 1), {});
    if (!outcome.ok()) return tests.expect(outcome.error().number == EMSGSIZE);
    const auto received = receive_message(pair.second.get(), cancel);
    tests.expect(!received.ok() && received.error().number == EMSGSIZE);
  });
  tests.run("send_message() never blocks: EAGAIN when full, EPIPE without a signal when the peer is gone", [&] {
    SocketPair pair = seqpacket_pair().value();
    Result<void> outcome;
    while (outcome.ok()) outcome = send_message(pair.first.get(), Bytes(100'000), {});
    tests.expect(outcome.error().number == EAGAIN);
    pair.second.reset();
    tests.expect(send_message(pair.first.get(), Bytes(1), {}).error().number == ECONNRESET);  // unread bytes, once
    tests.expect(send_message(pair.first.get(), Bytes(1), {}).error().number == EPIPE);
  });
}

void test_ends(Tests& tests) {
  tests.run("receive_message() gives nothing at the end, after what was sent before", [&] {
    const Cancel cancel = Cancel::open().value();
    SocketPair pair = seqpacket_pair().value();
    (void)send_message(pair.first.get(), Bytes(3), {}).ok();
    pair.first.reset();
    tests.expect(receive_message(pair.second.get(), cancel).value()->bytes.size() == 3);
    tests.expect(!receive_message(pair.second.get(), cancel).value());
  });
  tests.run("receive_message() gives the last message of a peer that died with unread ones, then the end", [&] {
    const Cancel cancel = Cancel::open().value();
    SocketPair pair = seqpacket_pair().value();
    (void)send_message(pair.second.get(), Bytes(3), {}).ok();
    (void)send_message(pair.first.get(), Bytes(5), {}).ok();
    pair.first.reset();
    const auto last = receive_message(pair.second.get(), cancel);
    tests.expect(last.ok() && last.value() && last.value()->bytes.size() == 5);
    const auto end = receive_message(pair.second.get(), cancel);
    tests.expect(end.ok() && !end.value());
  });
  tests.run("a cancelled receive_message() leaves the message in the socket", [&] {
    Cancel cancel = Cancel::open().value();
    const SocketPair pair = seqpacket_pair().value();
    (void)send_message(pair.first.get(), Bytes(3), {}).ok();
    cancel.signal();
    tests.expect(receive_message(pair.second.get(), cancel).error().number == ECANCELED);
    const Cancel fresh = Cancel::open().value();
    tests.expect(receive_message(pair.second.get(), fresh).value()->bytes.size() == 3);
  });
}

void test_soon(Tests& tests) {
  tests.run("receive_soon() takes what is there, and says EAGAIN or the end when nothing is", [&] {
    SocketPair pair = seqpacket_pair().value();
    tests.expect(receive_soon(pair.second.get(), 0).error().number == EAGAIN);
    tests.expect(receive_soon(pair.second.get(), 100).error().number == EAGAIN);
    const Bytes sent(3, std::byte{7});
    tests.expect(send_message(pair.first.get(), sent, {}).ok());
    const auto received = receive_soon(pair.second.get(), 100);
    tests.expect(received.ok() && received.value() && received.value()->bytes == sent);
    // With bytes of ours unread, which gives ECONNRESET first: that is passed over, and what was sent is not lost.
    tests.expect(send_message(pair.second.get(), sent, {}).ok());
    tests.expect(send_message(pair.first.get(), sent, {}).ok());
    pair.first.reset();
    const auto last = receive_soon(pair.second.get(), 0);
    tests.expect(last.ok() && last.value() && last.value()->bytes == sent);
    const auto end = receive_soon(pair.second.get(), 0);
    tests.expect(end.ok() && !end.value());
  });
}

void test_rights(Tests& tests) {
  tests.run("fds arrive as new, CLOEXEC ones on the same file", [&] {
    const Cancel cancel = Cancel::open().value();
    const SocketPair pair = seqpacket_pair().value();
    const UniqueFd file = open_memfd("passed").value();
    const int sent[] = {file.get(), file.get()};
    tests.expect(send_message(pair.first.get(), Bytes(1), sent).ok());
    const auto received = receive_message(pair.second.get(), cancel);
    const auto& fds = received.value()->fds;
    tests.expect(fds.size() == 2);
    for (const UniqueFd& fd : fds) {
      tests.expect(inode(fd.get()) == inode(file.get()) && (::fcntl(fd.get(), F_GETFD) & FD_CLOEXEC) != 0);
    }
  });
  tests.run("more fds than we take: refused, and none stays open", [&] {
    const Cancel cancel = Cancel::open().value();
    const SocketPair pair = seqpacket_pair().value();
    const UniqueFd file = open_memfd("many").value();
    // Sent by hand: send_message() refuses as many itself.
    const std::vector<int> fds(kMaxFds + 20, file.get());
    tests.expect(send_message(pair.first.get(), Bytes(1), fds).error().number == EINVAL);
    std::vector<std::byte> space(CMSG_SPACE(sizeof(int) * fds.size()));
    std::byte byte{};
    iovec body{&byte, 1};
    msghdr message{};
    message.msg_iov = &body;
    message.msg_iovlen = 1;
    message.msg_control = space.data();
    message.msg_controllen = space.size();
    cmsghdr* part = CMSG_FIRSTHDR(&message);
    *part = {CMSG_LEN(sizeof(int) * fds.size()), SOL_SOCKET, SCM_RIGHTS};
    std::copy(fds.begin(), fds.end(), reinterpret_cast<int*>(CMSG_DATA(part)));
    tests.expect(::sendmsg(pair.first.get(), &message, 0) == 1);
    tests.expect(receive_message(pair.second.get(), cancel).error().number == EMSGSIZE);
  });
}

// The same random messages on both sides, from the same seed.
class Script {
 public:
  struct Step {
    Bytes bytes;
    size_t fds;
  };
  Step next() {
    const size_t longest = random_() % 8 == 0 ? 60'000 : 200;
    const size_t fds = random_() % 4 == 0 ? random_() % kMaxFds : 0;
    return {random_bytes(random_, 1 + random_() % longest), fds};
  }

 private:
  std::mt19937 random_{1};
};

void send_when_there_is_room(int socket, const Script::Step& step, int file, const Cancel& cancel) {
  const std::vector<int> numbers(step.fds, file);
  for (;;) {
    const auto sent = send_message(socket, step.bytes, numbers);
    if (sent.ok() || sent.error().number != EAGAIN) return;
    (void)wait_for(socket, POLLOUT, cancel).ok();
  }
}

// Property: whatever the sizes and the fds, what is received is what was sent, in order.
void test_random(Tests& tests) {
  tests.run("300 random messages arrive as they were sent while both sides run", [&] {
    constexpr int kCount = 300;
    const Cancel cancel = Cancel::open().value();
    const SocketPair pair = seqpacket_pair().value();
    const UniqueFd file = open_memfd("random").value();
    auto sender = [&]() noexcept {
      Script script;
      for (int i = 0; i < kCount; ++i) send_when_there_is_room(pair.first.get(), script.next(), file.get(), cancel);
    };
    const Thread thread = Thread::spawn("sender", sender).value();
    Script script;
    for (int i = 0; i < kCount; ++i) {
      const auto expected = script.next();
      const auto received = receive_message(pair.second.get(), cancel);
      tests.expect(received.ok() && received.value() && received.value()->bytes == expected.bytes);
      tests.expect(received.ok() && received.value() && received.value()->fds.size() == expected.fds);
    }
  });
}

}  // namespace

void test_messages(Tests& tests) {
  test_boundaries(tests);
  test_ends(tests);
  test_soon(tests);
  test_rights(tests);
  test_random(tests);
}

}  // namespace frazil
