import { HINTS } from '../../../errors/rules/hints.js';
import { CAPABILITY } from '../capabilities.js';
import { type Finding, unless } from '../finding.js';
import type { Check, Scene } from '../scene.js';
import type { Task } from '../tree.js';

/** Sessions, tracers, states and owners of the tasks. */
export const checkTasks: Check = (scene) => [
  ...session(scene),
  ...scene.tree.tasks.flatMap((task) => [
    ...hidden(task),
    ...outsideSession(task),
    ...traced(task),
    ...unstoppable(task),
    ...otherUser(task, scene),
  ]),
];

function session({ tree: { root }, options }: Scene): Finding[] {
  if (lastOf(root, 'NSsid') === lastOf(root, 'NSpid')) return [];
  return [
    unless(options.shellJob, {
      id: 'not-session-leader',
      severity: 'blocks',
      title: `Process ${root.pid} (${root.stat.name}) is not a session leader: its session is ${root.stat.session}`,
      neededFor: 'dump',
      remedy: 'Pass shellJob: true (--shell-job) on dump and restore, or start the process with setsid',
      option: HINTS.shellJob,
      pid: root.pid,
    }),
  ];
}

/** Without the right to look, a clean report would mean nothing. */
function hidden({ pid, stat, namespaces }: Task): Finding[] {
  if (stat.state === 'Z' || Object.keys(namespaces).length > 0) return [];
  return [
    {
      id: 'not-inspectable',
      severity: 'limits',
      title: `Process ${pid} (${stat.name}) may not be inspected: its files, mappings and namespaces are unknown`,
      neededFor: 'this report',
      remedy: 'Run as root with CAP_SYS_PTRACE, and not in a user namespace below that of the process',
      pid,
    },
  ];
}

function outsideSession({ pid, status, stat }: Task): Finding[] {
  // The kernel shows 0 for a session whose leader the namespace cannot see.
  const ids = status.get('NSsid')?.split(/\s+/) ?? [];
  if (ids.length < 2 || ids.at(-1) !== '0') return [];
  return [
    {
      id: 'session-outside-pidns',
      severity: 'blocks',
      title: `Process ${pid} (${stat.name}) belongs to a session outside its pid namespace, as after nsenter`,
      neededFor: 'dump',
      remedy: 'End that process, or let it start its own session with setsid',
      pid,
    },
  ];
}

function traced({ pid, status, stat }: Task): Finding[] {
  const tracer = Number(status.get('TracerPid') ?? '0');
  if (tracer === 0) return [];
  return [
    {
      id: 'task-traced',
      severity: 'blocks',
      title: `Process ${pid} (${stat.name}) is traced by process ${tracer}`,
      neededFor: 'dump',
      remedy: `Detach the debugger or strace (process ${tracer})`,
      pid,
    },
  ];
}

function unstoppable({ pid, stat }: Task): Finding[] {
  if (stat.state !== 'D') return [];
  return [
    {
      id: 'task-unseizable',
      severity: 'limits',
      title: `Process ${pid} (${stat.name}) waits inside the kernel (state D): if it stays there, it cannot be stopped`,
      neededFor: 'dump',
      remedy: 'Look again in a moment; if it stays, end that wait (a hanging mount, a vfork parent)',
      pid,
    },
  ];
}

function otherUser({ pid, status, stat }: Task, { host }: Scene): Finding[] {
  // prlimit(2): without CAP_SYS_RESOURCE all three ids of the target must be the caller's real ones.
  if (stat.state === 'Z' || host.capabilities.has(CAPABILITY.SYS_RESOURCE)) return [];
  const differs = (key: string, own: number): boolean =>
    (status.get(key)?.split(/\s+/).slice(0, 3) ?? []).some((id) => Number(id) !== own);
  if (!differs('Uid', host.uid) && !differs('Gid', host.gid)) return [];
  return [
    {
      id: 'other-uid-rlimit',
      severity: 'blocks',
      title: `Process ${pid} (${stat.name}) runs as user ${status.get('Uid')?.split(/\s+/)[0]}, and CAP_SYS_RESOURCE is missing to read its limits`,
      neededFor: 'dump',
      remedy: 'Run with CAP_SYS_RESOURCE, or run the process as the same user',
      pid,
    },
  ];
}

function lastOf({ status }: Task, key: string): string | undefined {
  return status.get(key)?.split(/\s+/).at(-1);
}
