"""What a bench asks of the machine, and how its figures are told."""
import atexit, os, statistics

REPORTING = "/sys/module/page_reporting/parameters/page_reporting_order"


def spread(values, form="%.2f"):
    """Median, smallest and largest."""
    return (form + " [" + form + " " + form + "]") % (statistics.median(values), min(values), max(values))


def go_first():
    """Other work on the machine waits, as far as we may. nice alone does nothing between sessions where
    the scheduler groups tasks by session: then it is the group that must be nice."""
    try:
        os.setpriority(os.PRIO_PROCESS, 0, -15)
        with open("/proc/self/autogroup", "w") as f:
            f.write("-15")
    except OSError:
        pass


def keep_memory():
    """A virtual machine may give the memory that it does not use back to its host, and a write into such
    pages costs up to eight times as much: then it is chance who pays. Not while we measure, where we
    may: 11 is more than the largest block has, so none is given back."""
    try:
        with open(REPORTING) as f:
            before = f.read()
        with open(REPORTING, "w") as f:
            f.write("11")
    except OSError:
        return

    def undo():
        with open(REPORTING, "w") as f:
            f.write(before)
    atexit.register(undo)
