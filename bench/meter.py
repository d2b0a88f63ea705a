"""What a client costs: CPU time of its process tree, of the machine, and its memory at its highest."""

import os
import signal
import threading
import time

from lab import check, fresh, spawn

TICKS = os.sysconf("SC_CLK_TCK")
SAMPLE_S = 0.05


def stat_of(pid):
    """Fields of /proc/PID/stat after the name: state is 0, parent 1, user ticks 11, system ticks 12."""
    with open("/proc/%d/stat" % pid, encoding="ascii", errors="replace") as file:
        return file.read().rpartition(")")[2].split()


def tree_of(root):
    """The process and all that descend from it."""
    children = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                children.setdefault(int(stat_of(int(name))[1]), []).append(int(name))
            except OSError:
                pass  # it has ended meanwhile
    found, todo = [], [root]
    while todo:
        pid = todo.pop()
        found.append(pid)
        todo += children.get(pid, [])
    return found


def cpu_of(root):
    """Seconds of CPU of a process tree so far: all (to the nanosecond), user and system (in ticks)."""
    whole = user = system = 0.0
    for pid in tree_of(root):
        try:
            fields = stat_of(pid)
            whole += time.clock_gettime((~pid << 3) | 2)  # the CPU clock of a process, as the kernel numbers it
        except OSError:
            continue
        ended = (int(fields[13]) + int(fields[14])) / TICKS  # children that were waited for
        user += int(fields[11]) / TICKS
        system += int(fields[12]) / TICKS
        whole += ended
        user += int(fields[13]) / TICKS
        system += int(fields[14]) / TICKS
    return whole, user, system


def machine_cpu():
    """Seconds in which some processor of the machine was busy."""
    with open("/proc/stat", encoding="ascii") as file:
        user, nice, system, _, _, irq, soft, steal = (int(n) for n in file.readline().split()[1:9])
    return (user + nice + system + irq + soft + steal) / TICKS


def memory_of(pid):
    """RssAnon and the highest RSS of a process, in bytes."""
    found = {}
    with open("/proc/%d/status" % pid, encoding="ascii", errors="replace") as file:
        for line in file:
            name, _, value = line.partition(":")
            if name in ("RssAnon", "VmHWM"):
                found[name] = int(value.split()[0]) * 1024
    return found.get("RssAnon", 0), found.get("VmHWM", 0)


def io_of(pid):
    """Bytes that a process made the disk read."""
    with open("/proc/%d/io" % pid, encoding="ascii") as file:
        return int(dict(line.split(": ") for line in file.read().splitlines())["read_bytes"])


def switches_of(pid):
    """How often the threads of a process went to sleep so far."""
    count = 0
    for task in os.listdir("/proc/%d/task" % pid):
        with open("/proc/%d/task/%s/status" % (pid, task), encoding="ascii", errors="replace") as file:
            count += sum(int(line.split()[1]) for line in file if line.startswith("voluntary_ctxt_switches"))
    return count


# Those of the data path; what else there is stands in the sum.
CALLS = ("recvmsg", "recvfrom", "sendmsg", "sendto", "sendfile64", "writev", "pwritev", "pwritev2", "pwrite64", "preadv",
         "pread64", "read", "write", "epoll_wait", "epoll_pwait", "epoll_ctl", "poll", "futex", "setsockopt", "ioctl")


class CallCounter:
    """Counts the system calls of a process and its threads where they enter the kernel, without stopping the process.
    Needs perf, and the right to look at tracepoints."""

    def __init__(self, pid):
        where = fresh("calls")
        self.out = os.path.join(where, "counts")
        control, said = (os.path.join(where, name) for name in ("control", "said"))
        os.mkfifo(control)
        os.mkfifo(said)
        events = ",".join(["raw_syscalls:sys_enter", *("syscalls:sys_enter_" + name for name in CALLS)])
        self.process = spawn("perf", "perf", "stat", "-x", ",", "-o", self.out, "-e", events, "-p", pid, "--delay", -1,
                             "--control", "fifo:%s,%s" % (control, said))
        hold = os.open(said, os.O_RDWR)  # so that nobody waits for the other to open it
        with open(control, "w", encoding="ascii") as file:
            file.write("enable\n")
        os.read(hold, 16)
        os.close(hold)

    def per_block(self, blocks):
        """Calls per block: all of them, and those of each kind that there were."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        self.process.wait(20)
        with open(self.out, encoding="ascii", errors="replace") as file:
            lines = [line.split(",") for line in file if ",sys" in line or ",raw_sys" in line]
        counts = {line[2].rpartition("sys_enter")[2].lstrip("_") or "all": int(line[0]) for line in lines}
        check(counts.get("all"), "perf counted nothing; see perf stat -e raw_syscalls:sys_enter")
        counts["other"] = 2 * counts["all"] - sum(counts.values())
        return {"calls_" + name: count / blocks for name, count in counts.items() if count}


class Meter:
    """Measures a process from its construction to stop() or wait()."""

    def __init__(self, pid, whole=False):
        """whole: from the beginning of the process."""
        self.pid, self.anon, self.rss = pid, 0, 0
        self.before = (0.0, 0.0, 0.0) if whole else cpu_of(pid)
        self.machine = machine_cpu()
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.sample, daemon=True)
        self.thread.start()

    def look(self):
        try:
            anon, rss = memory_of(self.pid)
        except OSError:
            return
        self.anon, self.rss = max(self.anon, anon), max(self.rss, rss)

    def sample(self):
        while not self.over.wait(SAMPLE_S):
            self.look()

    def figures(self, cpu):
        self.over.set()
        self.thread.join()
        whole, user, system = (after - before for after, before in zip(cpu, self.before))
        return {"cpu_s": whole, "user_s": user, "system_s": system, "machine_s": machine_cpu() - self.machine,
                "rss_bytes": self.rss, "anon_bytes": self.anon}

    def stop(self):
        self.look()
        return self.figures(cpu_of(self.pid))

    def wait(self, process, patience):
        """To the end of a process that ends by itself; its exit code goes where Popen keeps it."""
        limit = time.monotonic() + patience
        while True:
            pid, status, used = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            if time.monotonic() > limit:
                raise AssertionError("not done after %d s" % patience)
            time.sleep(0.005)
        process.returncode = os.waitstatus_to_exitcode(status)
        self.rss = max(self.rss, used.ru_maxrss * 1024)
        return self.figures((used.ru_utime + used.ru_stime, used.ru_utime, used.ru_stime))
