"""What the client tests share: cases that print a line each, and the count at the end."""
import sys
import traceback

passed, failed, skipped = [], [], []


class Skip(Exception):
    pass


def case(fn):
    """Run a test where it is defined; its name and document string say what holds."""
    name = fn.__name__.replace("_", " ")
    try:
        fn()
    except Skip as reason:
        skipped.append(name)
        print(f"skip - {name}: {reason}", flush=True)
    except Exception:
        failed.append(name)
        print(f"not ok - {name}", flush=True)
        traceback.print_exc(file=sys.stdout)
    else:
        passed.append(name)
        print(f"ok - {name}", flush=True)
    return fn


def finish():
    text = f"{len(passed)} passed, {len(failed)} failed"
    print(text + (f", {len(skipped)} skipped" if skipped else ""))
    sys.exit(1 if failed else 0)


def raises(kind, fn):
    try:
        fn()
    except kind as e:
        return e
    raise AssertionError(f"expected {kind.__name__}")
