/* rotkeep.c - what rotctl knows across its runs: a small text file, and the lock beside it */
#include "rotkeep.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/tim.h"
#include "file/pub.h"

#define FIRST_LINE "fyke rotctl state 1\n"
#define TEXT_MOST  2048

int rotkeep_path(const char *option, const char *name, char path[ROTKEEP_PATH], char why[ROT_WHY])
{
	const char *state = getenv("XDG_STATE_HOME");
	int n;

	if (option) {
		n = snprintf(path, ROTKEEP_PATH, "%s", option);
	} else {
		state = state && *state == '/' ? state : "/var/lib";
		(void)mkdir(state, 0700);
		n = snprintf(path, ROTKEEP_PATH, "%s/fyke", state);
		if (n < ROTKEEP_PATH)
			(void)mkdir(path, 0755);
		if (n < ROTKEEP_PATH)
			n += snprintf(path + n, ROTKEEP_PATH - (size_t)n, "/%s.state", name);
	}
	if (n < ROTKEEP_PATH - 8)
		return 0;
	snprintf(why, ROT_WHY, "the name of the state file is too long");
	errno = ENAMETOOLONG;
	return -1;
}

int rotkeep_lock(const char *path, int *fd, char why[ROT_WHY])
{
	char name[ROTKEEP_PATH + 8], pid[24] = "";

	snprintf(name, sizeof name, "%s.lock", path);
	*fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (*fd < 0) {
		snprintf(why, ROT_WHY,
		    "%.200s: %s (give --state=FILE in a folder that you may write)", name,
		    strerror(errno));
		return -1;
	}
	if (flock(*fd, LOCK_EX | LOCK_NB) == 0) {
		int n = snprintf(pid, sizeof pid, "%d\n", (int)getpid());
		/* It only names the holder: the lock counts. */
		if (ftruncate(*fd, 0) == 0)
			(void)!pwrite(*fd, pid, (size_t)n, 0);
		return 0;
	}
	int error = errno == EWOULDBLOCK ? EBUSY : errno;
	ssize_t n = pread(*fd, pid, sizeof pid - 1, 0);
	pid[n > 0 ? strcspn(pid, "\n") : 0] = '\0';
	close(*fd);
	*fd = -1;
	snprintf(why, ROT_WHY,
	    "another rotctl (process %.20s) holds the rotator: wait for it, or stop it", pid);
	errno = error;
	return -1;
}

int rotkeep_parse(const char *text, struct rotkeep *k)
{
	struct rotkeep got = {.homed = false};
	int homed, settled, moving, n = -1;
	long long motor, time, home_time;

	*k = got;
	if (strncmp(text, FIRST_LINE, sizeof FIRST_LINE - 1) != 0)
		goto bad;
	text += sizeof FIRST_LINE - 1;
	if (sscanf(text,
		"homed %d settled %d moving %d token %d gear_zero %d motor %lld gear %d time %lld "
		"home_time %lld why%n",
		&homed, &settled, &moving, &got.token, &got.gear_zero, &motor, &got.gear, &time,
		&home_time, &n) != 9 ||
	    n < 0 || text[n] != ' ' || !strchr(text + n, '\n'))
		goto bad;
	text += n + 1;
	got.homed = homed == 1;
	got.settled = settled == 1;
	got.moving = moving == 1;
	got.motor = motor;
	got.time = time;
	got.home_time = home_time;
	snprintf(got.why, sizeof got.why, "%.*s", (int)strcspn(text, "\n"), text);
	*k = got;
	return 0;
bad:
	errno = EPROTO;
	return -1;
}

int rotkeep_read(const char *path, struct rotkeep *k, char why[ROT_WHY])
{
	size_t n;
	char *text = io_slurp(path, TEXT_MOST, &n);

	*k = (struct rotkeep){.homed = false};
	if (!text && errno == ENOENT)
		return 0;
	int rc = text ? rotkeep_parse(text, k) : -1;
	if (rc < 0) {
		int error = errno;
		snprintf(why, ROT_WHY, "%.200s: %s", path,
		    text ? "is no state of rotctl, or was cut" : strerror(error));
		snprintf(k->why, sizeof k->why, "the state file could not be read");
		errno = error;
	}
	free(text);
	return rc;
}

char *rotkeep_sentence(const struct rotkeep *k, const struct rot_setup *s, char buf[ROT_WHY])
{
	char time[TIM_TEXT];

	if (k->time == 0)
		snprintf(buf, ROT_WHY, "unknown: it was never homed");
	else if (!k->homed)
		snprintf(buf, ROT_WHY, "unknown: not homed at %s", tim_text(k->time, 0, time));
	else
		snprintf(buf, ROT_WHY, "unknown: at %s it stood at %.2f degrees%s",
		    tim_text(k->time, 0, time), rot_gear_angle(s, k->gear, k->gear_zero),
		    k->moving ? ", about to move" : "");
	return buf;
}

int rotkeep_write(const char *path, const struct rotkeep *k, char why[ROT_WHY])
{
	char text[TEXT_MOST];
	struct pub p;
	int fd = -1, rc = -1;
	int n = snprintf(text, sizeof text,
	    FIRST_LINE "homed %d\nsettled %d\nmoving %d\ntoken %d\ngear_zero %d\nmotor %lld\n"
		       "gear %d\ntime %lld\nhome_time %lld\nwhy %s\n",
	    k->homed, k->settled, k->moving, k->token, k->gear_zero, (long long)k->motor, k->gear,
	    (long long)k->time, (long long)k->home_time, k->why);

	if (pub_begin(&p, path, true) < 0) {
		snprintf(why, ROT_WHY, "%.300s", p.why);
		return -1;
	}
	if ((fd = pub_create(&p)) >= 0 && io_writeall(fd, text, (size_t)n) == 0)
		rc = pub_commit(&p, fd, true);
	int error = errno;
	if (rc < 0)
		snprintf(why, ROT_WHY, "%.200s: cannot be written: %s", path, strerror(error));
	if (fd >= 0)
		close(fd);
	pub_end(&p);
	errno = error;
	return rc;
}
