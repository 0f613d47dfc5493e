"""programs.py - the programs that a test starts: with ports that are free, until something is so, and
gone at its end."""
import atexit, signal, socket, subprocess, time


def free_ports(n):
    """Of loopback; each another one."""
    taken = [socket.socket() for _ in range(n)]
    for s in taken:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in taken]
    for s in taken:
        s.close()
    return ports


def answers(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


def start(*command, log, **more):
    """Without input, and with all that it says in log, unless more has it otherwise."""
    p = subprocess.Popen(command, **{"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log, **more})
    atexit.register(lambda: p.poll() is None and p.kill())
    return p


def until(what, condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.01)


def how(status):
    """An exit status in words."""
    return signal.Signals(-status).name if status < 0 else f"exit {status}"
