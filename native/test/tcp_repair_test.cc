#include "sys/tcp_repair.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "sys/pidfd.h"
#include "sys/pipe.h"
#include "test/tests.h"

namespace frazil {
namespace {

struct Connection {
  UniqueFd client;
  UniqueFd server;
};

int option_of(int fd, int name) {
  int value = -1;
  socklen_t size = sizeof value;
  (void)::getsockopt(fd, SOL_SOCKET, name, &value, &size);
  return value;
}

// Over loopback, accepted from a listener with SO_REUSEADDR as a server's is.
Connection connect_both() {
  const UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1;
  (void)::setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* where = reinterpret_cast<sockaddr*>(&address);
  (void)::bind(listener.get(), where, size);
  (void)::listen(listener.get(), 1);
  (void)::getsockname(listener.get(), where, &size);
  UniqueFd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  (void)::connect(client.get(), where, size);
  return {std::move(client), UniqueFd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC))};
}

bool begin_repair(int fd) {
  const int on = 1;
  return ::setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &on, sizeof on) == 0;
}

void test_repair(Tests& tests) {
  tests.run("end_repair() through a copy of the fd: the connection works and has its SO_REUSEADDR again", [&] {
    const Connection c = connect_both();
    tests.expect(!is_in_repair(c.server.get()).value());
    tests.expect(begin_repair(c.server.get()));
    const UniqueFd self = open_pidfd(::getpid()).value();
    const UniqueFd copy = copy_fd(self.get(), c.server.get()).value();
    tests.expect(is_in_repair(copy.get()).value());
    char byte = 0;
    tests.expect(::write(c.client.get(), "x", 1) == 1);
    tests.expect(::read(c.server.get(), &byte, 1) == -1 && errno == EPERM);
    tests.expect(end_repair(copy.get(), true).ok());
    tests.expect(!is_in_repair(c.server.get()).value());
    tests.expect(::read(c.server.get(), &byte, 1) == 1 && byte == 'x');
    tests.expect(option_of(c.server.get(), SO_REUSEADDR) == 1);
    // Again: only a probe.
    tests.expect(end_repair(copy.get(), true).ok());
    tests.expect(::write(c.server.get(), "y", 1) == 1);
    tests.expect(::read(c.client.get(), &byte, 1) == 1 && byte == 'y');
  });
}

}  // namespace

void test_tcp_repair(Tests& tests) {
  tests.run("is_in_repair() is false for what is no TCP socket", [&] {
    const Pipe pipe = open_pipe(0).value();
    tests.expect(!is_in_repair(pipe.read.get()).value());
    const UniqueFd datagrams(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    tests.expect(!is_in_repair(datagrams.get()).value());
  });
  tests.run("copy_fd() says EBADF for a number that is not open", [&] {
    const UniqueFd self = open_pidfd(::getpid()).value();
    tests.expect(copy_fd(self.get(), 1 << 20).error().number == EBADF);
  });
  if (begin_repair(connect_both().server.get()))
    test_repair(tests);
  else
    tests.skip("end_repair()", "repair mode needs CAP_NET_ADMIN");
}

}  // namespace frazil
