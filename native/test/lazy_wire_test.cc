// What reaches the server from outside: CRIU's messages, and the order of an earlier restore.

#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <random>

#include "lazy/connection.h"
#include "lazy/order.h"
#include "sys/memfd.h"
#include "sys/scm_rights.h"
#include "sys/socket_pair.h"
#include "test/tests.h"

namespace frazil::lazy {
namespace {

// As listen_in() sets it for what it accepts.
SocketPair restore_line() {
  SocketPair pair = stream_pair(0).value();
  const int on = 1;
  (void)::setsockopt(pair.first.get(), SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
  return pair;
}

void say(int to, const void* bytes, size_t length) { (void)!::write(to, bytes, length); }

void send_fd(int to, int fd) {
  char mark = 0;
  iovec body{&mark, 1};
  msghdr message{};
  message.msg_iov = &body;
  message.msg_iovlen = 1;
  ControlBuffer control;
  attach_fds(message, control, {{fd}});
  (void)::sendmsg(to, &message, 0);
}

template <typename Kind>
bool hears(Connection& connection) {
  auto got = connection.receive();
  return got.ok() && std::holds_alternative<Kind>(got.value());
}

Result<std::vector<OrderedRun>> order_of(const std::string& text) {
  const UniqueFd file = open_memfd("order").value();
  (void)!::write(file.get(), text.data(), text.size());
  (void)::lseek(file.get(), 0, SEEK_SET);
  return read_order(file.get());
}

}  // namespace
}  // namespace frazil::lazy

namespace frazil {

using namespace lazy;

void test_lazy_wire(Tests& tests) {
  tests.run("a task arrives in pieces, with its sender; a zombie with nothing; the end is told from a pid", [&] {
    SocketPair pair = restore_line();
    Connection connection(std::move(pair.first));
    tests.expect(hears<Nothing>(connection));
    const int32_t pid = 4121;
    say(pair.second.get(), &pid, 2);
    tests.expect(hears<Nothing>(connection));
    say(pair.second.get(), reinterpret_cast<const char*>(&pid) + 2, 2);
    tests.expect(hears<Nothing>(connection));
    send_fd(pair.second.get(), 2);
    auto arrived = connection.receive();
    tests.expect(arrived.ok());
    const auto* task = std::get_if<TaskArrived>(&arrived.value());
    tests.expect(task != nullptr && task->image == 4121 && task->pid == ::getpid() && task->uffd);
    const int32_t zombie = -17;
    say(pair.second.get(), &zombie, sizeof zombie);
    const uint32_t end = 0x52535446;
    say(pair.second.get(), &end, sizeof end);
    tests.expect(hears<Restored>(connection));
    pair.second.reset();
    tests.expect(hears<HungUp>(connection));
  });

  tests.run("what is not CRIU's is refused: no fd where one belongs, pid 0", [&] {
    for (const int32_t pid : {12, 0}) {
      SocketPair pair = restore_line();
      Connection connection(std::move(pair.first));
      say(pair.second.get(), &pid, sizeof pid);
      say(pair.second.get(), "x", 1);
      const auto got = connection.receive();
      tests.expect(!got.ok() && got.error().number == EPROTO);
    }
  });

  tests.run("an order comes back as it was written, with neighbours as one run", [&] {
    Recorder recorder;
    const page::ImageId image{page::ImageId::Kind::task, 42};
    for (const uint64_t vaddr : {uint64_t{0x7f0000000000}, uint64_t{0x7f0000001000}, uint64_t{0x1000}})
      recorder.note({image, vaddr, 1, page::Urgency::urgent});
    const UniqueFd file = open_memfd("order").value();
    tests.expect(recorder.write(file.get()).ok());
    (void)::lseek(file.get(), 0, SEEK_SET);
    const auto runs = read_order(file.get());
    tests.expect(runs.ok() && runs.value().size() == 2);
    tests.expect(runs.value()[0].vaddr == 0x7f0000000000 && runs.value()[0].pages == 2 && runs.value()[0].image == 42);
    tests.expect(runs.value()[1].vaddr == 0x1000);
  });

  tests.run("an order that is none is refused; a wrong line ends it; no bytes harm", [&] {
    tests.expect(!order_of("").ok() && !order_of("frazil-lazy-order 2\n1 1000 1\n").ok());
    const std::string title = "frazil-lazy-order 1\n";
    tests.expect(order_of(title).ok() && order_of(title).value().empty());
    for (const char* wrong :
         {"1 1001 1\n", "1 1000 0\n", "1 1000\n", "x\n", "1 1000 1", "1 1000 99999999999999999999\n"})
      tests.expect(order_of(title + "1 1000 2\n" + wrong + "1 3000 1\n").value().size() == 1);
    std::mt19937 random(3);
    for (int i = 0; i < 500; ++i) {
      std::string text = title;
      for (uint64_t n = random() % 60; n > 0; --n) text += " 0123456789abcdef\n-x"[random() % 20];
      const auto runs = order_of(text);
      tests.expect(runs.ok());
      for (const OrderedRun& run : runs.value()) tests.expect(run.vaddr % page::kPageSize == 0 && run.pages > 0);
    }
  });
}

}  // namespace frazil
