#include "lazy/end_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <memory>
#include <string>
#include <string_view>

#include "lazy/connection.h"
#include "sys/pidfd.h"
#include "sys/uffd.h"

namespace frazil::lazy {
namespace {

// Known by a pidfd, which the reuse of a pid cannot fool.
struct Task {
  pid_t pid;
  UniqueFd pidfd;
};

struct Held {
  std::vector<int> uffds;
  std::vector<int> sockets;
  std::vector<Task> tasks;
};

UniqueFd duplicate(int fd) noexcept { return UniqueFd(::fcntl(fd, F_DUPFD_CLOEXEC, 0)); }

bool has_ended(const Task& task) noexcept {
  pollfd ended{task.pidfd.get(), POLLIN, 0};
  // Not reaped, so the number is still its own.
  return ::poll(&ended, 1, 0) == 1 || has_no_living_thread(task.pid);
}

void add_task(std::vector<Task>& tasks, pid_t pid) noexcept {
  const bool known = std::any_of(tasks.begin(), tasks.end(), [&](const Task& task) { return task.pid == pid; });
  if (known || pid <= 0) return;
  // It may have ended meanwhile.
  if (auto pidfd = open_pidfd(pid); pidfd.ok()) tasks.push_back({pid, std::move(pidfd).value()});
}

// The pid that a pidfd stands for; 0 for what is no pidfd, negative when it has been reaped.
pid_t pid_of(int fd) noexcept {
  const UniqueFd file(::open(("/proc/self/fdinfo/" + std::to_string(fd)).c_str(), O_RDONLY | O_CLOEXEC));
  char text[1024];
  const ssize_t n = file ? ::read(file.get(), text, sizeof text) : 0;
  const std::string_view info(text, static_cast<size_t>(std::max<ssize_t>(n, 0)));
  const size_t at = info.find("\nPid:\t");
  pid_t pid = 0;
  if (at != std::string_view::npos) (void)std::from_chars(info.data() + at + 6, info.data() + info.size(), pid);
  return pid;
}

Held look_at_own_fds(int control, int peer) noexcept {
  Held held;
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir("/proc/self/fd"),
                                                      [](DIR* open) { return ::closedir(open); });
  while (const dirent* entry = directory == nullptr ? nullptr : ::readdir(directory.get())) {
    const int fd = std::atoi(entry->d_name);  // "." and ".." are 0: /dev/null
    char target[64];
    const ssize_t n = ::readlinkat(::dirfd(directory.get()), entry->d_name, target, sizeof target);
    const std::string_view link(target, static_cast<size_t>(std::max<ssize_t>(n, 0)));
    if (link == "anon_inode:[userfaultfd]")
      held.uffds.push_back(fd);
    else if (link.starts_with("socket:[") && fd != control && fd != peer)
      held.sockets.push_back(fd);
    else if (const pid_t pid = link.find("pidfd") == std::string_view::npos ? 0 : pid_of(fd); pid > 0)
      held.tasks.push_back({pid, duplicate(fd)});
  }
  return held;
}

// CRIU, which has not said that all is restored, sees its connection broken and kills what it has made. What it has sent is taken out
// first: a userfaultfd in a socket that is closed is closed with it.
void shut(int socket, Held& held) noexcept {
  (void)::shutdown(socket, SHUT_RDWR);
  Connection connection{duplicate(socket)};
  for (;;) {
    auto got = connection.receive();
    if (!got.ok() || std::holds_alternative<Nothing>(got.value()) || std::holds_alternative<HungUp>(got.value()))
      return;
    if (auto* task = std::get_if<TaskArrived>(&got.value())) {
      add_task(held.tasks, task->pid);
      held.uffds.push_back(::fcntl(task->uffd.get(), F_DUPFD_CLOEXEC, 0));
    }
  }
}

void shut_all(Held& held) noexcept {
  std::vector<int> connected;
  for (const int socket : held.sockets) {
    int listening = 0;
    socklen_t length = sizeof listening;
    (void)::getsockopt(socket, SOL_SOCKET, SO_ACCEPTCONN, &listening, &length);
    if (listening == 0) {
      connected.push_back(socket);
      continue;
    }
    // Who has connected already is in the queue, with all that he has sent.
    (void)::shutdown(socket, SHUT_RDWR);
    for (int one; (one = ::accept4(socket, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)) != -1;)
      connected.push_back(one);
  }
  for (const int socket : connected) shut(socket, held);
}

// Forks whose parents have ended: of the same layout, in the same pid namespace, and with memory that waits for pages.
void add_orphans(const std::vector<Likeness>& known, std::vector<Task>& tasks) noexcept {
  for (const pid_t pid : all_processes()) {
    const Likeness one = likeness_of(pid);
    const bool alike = one.start_stack != 0 && std::find(known.begin(), known.end(), one) != known.end();
    if (alike && has_userfault_range(pid)) add_task(tasks, pid);
  }
}

// SIGKILL for all, from the youngest on: a child whose parent is gone is found no more. Returns how many were alive.
size_t kill_all(std::vector<Task>& tasks) noexcept {
  for (size_t i = 0; i < tasks.size(); ++i) {
    if (has_ended(tasks[i])) continue;
    for (const pid_t child : children_of(tasks[i].pid)) add_task(tasks, child);
  }
  size_t alive = 0;
  for (auto task = tasks.rbegin(); task != tasks.rend(); ++task) {
    if (has_ended(*task)) continue;
    (void)send_signal(task->pidfd.get(), SIGKILL);
    ++alive;
  }
  return alive;
}

}  // namespace

void Notes::add(const Likeness& task) noexcept {
  const uint32_t at = count.load(std::memory_order_relaxed);
  if (at == kMax) return;
  tasks[at] = task;
  count.store(at + 1, std::memory_order_release);
}

void end_tree(const Notes& notes, const std::vector<pid_t>& own, int control) noexcept {
  Held held = look_at_own_fds(control, notes.peer.load(std::memory_order_acquire));
  shut_all(held);
  std::vector<Task>& tasks = held.tasks;
  std::erase_if(tasks, [&](const Task& task) { return std::find(own.begin(), own.end(), task.pid) != own.end(); });
  std::vector<Likeness> known(notes.tasks.begin(), notes.tasks.begin() + notes.count.load(std::memory_order_acquire));
  for (const Task& task : tasks) known.push_back(likeness_of(task.pid));
  constexpr int kMaxPauseMs = 50;
  for (int pause = 1;; pause = std::min(pause * 2, kMaxPauseMs)) {
    const size_t alive = kill_all(tasks);
    // Memory that is gone asks for no page any more. What is left then belongs to orphans.
    std::erase_if(held.uffds, [](int uffd) { return uffd::is_gone(uffd); });
    if (held.uffds.empty() && alive == 0) return;
    if (alive == 0) add_orphans(known, tasks);
    (void)::poll(nullptr, 0, pause);
  }
}

}  // namespace frazil::lazy
