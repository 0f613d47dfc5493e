# rotator.py SOCKET: what rotctl's status socket says: a line when somebody comes, then one each second.
# It says "ready" on standard error, and stops saying anything while the file SOCKET.mute exists.
import os, socket, sys, threading, time

path = sys.argv[1]
s = socket.socket(socket.AF_UNIX)
s.bind(path)
s.listen(8)
print("rotator.py: ready unix:" + path, file=sys.stderr, flush=True)


def tell(c):
    n = 0
    try:
        while True:
            if not os.path.exists(path + ".mute"):
                c.sendall(b'rotator,name=sim motor_count=%di,gear_count=456i,motor_angle=10.7,'
                          b'gear_angle=10.68,state=2i,state_name="still" %d\n' % (n, time.time_ns()))
            n += 1
            time.sleep(1)
    except OSError:
        pass


while True:
    c, _ = s.accept()
    threading.Thread(target=tell, args=(c,), daemon=True).start()
