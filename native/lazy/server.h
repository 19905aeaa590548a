#pragma once

#include "core/thread.h"
#include "lazy/background.h"
#include "lazy/connection.h"
#include "lazy/end_tree.h"
#include "lazy/fault_loop.h"
#include "lazy/guardian.h"

namespace frazil::lazy {

struct ServerOptions {
  int control = -1;
  int log = -1;
  int work = -1;    // lazy-pages.socket is made in this directory
  int record = -1;  // a file; -1: nobody asked
  unsigned trees = 1;
  unsigned faulters = 2;
  unsigned fillers = 2;
  uint64_t bytes_per_second = 0;  // of the background; 0: as fast as it goes
  bool outlive = true;
  std::vector<OrderedRun> replay;
};

// Serves `trees` restores from one source, to the end.
class Server {
 public:
  static Result<std::unique_ptr<Server>> open(const ServerOptions& options, std::unique_ptr<page::Source> source,
                                              Board& board, Notes& notes) noexcept;
  ~Server();

  // The status that the process ends with.
  Exit run(int guardian) noexcept;

 private:
  struct Restore {
    Connection connection;
    std::shared_ptr<Tree> tree;
    std::vector<pid_t> tasks;
    std::vector<UniqueFd> pidfds;  // for end_tree(), which finds them by itself
    bool over = false;             // restored, or given up
  };

  Server(const ServerOptions& options, std::unique_ptr<page::Source> source, Board& board, Notes& notes,
         std::unique_ptr<Spaces> spaces, std::unique_ptr<Backlog> backlog, Verdict verdict, UniqueFd listener) noexcept;

  Result<void> start_threads() noexcept;
  void watch(int guardian) noexcept;
  void hear_caller() noexcept;
  void hold() noexcept;
  void accept_restore() noexcept;
  void hear(Restore& restore) noexcept;
  void add(Restore& restore, TaskArrived task) noexcept;
  void finish(Restore& restore) noexcept;
  void give_up(Restore& restore) noexcept;
  void conclude(Restore& restore) noexcept;
  Exit close_down() noexcept;

  const ServerOptions options_;
  const std::unique_ptr<page::Source> source_;
  Board& board_;
  Notes& notes_;
  const std::unique_ptr<Spaces> spaces_;
  const std::unique_ptr<Backlog> backlog_;
  Verdict verdict_;
  UniqueFd listener_;
  Recorder recorder_;
  Events events_;
  Filler filler_;
  Background background_;
  Delivery delivery_;
  std::vector<std::unique_ptr<FaultLoop>> faulters_;
  std::vector<std::unique_ptr<Restore>> restores_;
  std::map<uint64_t, std::shared_ptr<const Layout>> layouts_;
  unsigned concluded_ = 0;
  bool caller_listens_ = true;
  bool held_ = false;
  std::vector<Thread> threads_;
};

}  // namespace frazil::lazy
