/* sync.c - opening beneath a folder, copying, comparing, making folders */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file/synccopy.h"
#include "tap.h"

static void put(const char *path, const void *bytes, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	if (fd < 0 || write(fd, bytes, n) != (ssize_t)n || close(fd) < 0)
		exit(99);
}

static int refused(int dir, const char *name, int flags)
{
	int fd = sync_open(dir, name, flags);

	if (fd >= 0) {
		close(fd);
		return 0;
	}
	return errno;
}

static void opening(int in)
{
	put("in/file", "file", 4);
	put("outside", "secret", 6);
	if (mkdir("in/sub", 0755) < 0 || symlink("file", "in/link") < 0 ||
	    symlink("../outside", "in/up") < 0 || symlink("sub", "in/dirlink") < 0 ||
	    symlink("/proc/self/fd/0", "in/magic") < 0 || mkfifo("in/fifo", 0644) < 0)
		exit(99);
	put("in/sub/f", "f", 1);
	is_int(refused(in, "file", 0), 0, "a file opens");
	is_int(refused(in, "sub/f", 0), 0, "one in a folder too");
	is_int(refused(in, "sub", O_DIRECTORY), 0, "and a folder");
	is_int(refused(in, "fifo", 0), 0, "a FIFO does not make us wait");
	is_int(refused(in, "../outside", 0), EXDEV, "not what is above");
	is_int(refused(in, "sub/../../outside", 0), EXDEV, "on no way");
	is_int(refused(in, "/etc/passwd", 0), EXDEV, "no absolute path");
	is_int(refused(in, "link", 0), ELOOP, "no link");
	is_int(refused(in, "up", 0), ELOOP, "no link upwards");
	is_int(refused(in, "dirlink/f", 0), ELOOP, "no link on the way");
	is_int(refused(in, "magic", 0), ELOOP, "no magic link");
	is_int(refused(in, "file", O_DIRECTORY), ENOTDIR, "a file is no folder");
	is_int(refused(in, "nothing", 0), ENOENT, "nothing is nothing");
}

static bool stop_now(void)
{
	return true;
}

static void copying(void)
{
	static char bytes[600001];
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (char)(i * 31 >> 3);
	put("a", bytes, sizeof bytes);
	int a = open("a", O_RDONLY), b = open("b", O_RDWR | O_CREAT | O_TRUNC, 0644);
	is_int(sync_copy(a, b, 0, 300000, NULL), 0, "a part is copied");
	is_int(sync_same(a, b, 0, 300000, NULL), 1, "and is the same");
	is_int(sync_same(a, b, 0, 300001, NULL), 0, "one byte more is not");
	is_int(sync_copy(a, b, 300000, 600001, NULL), 0, "the rest");
	is_int(sync_same(a, b, 0, 600001, NULL), 1, "is all the same");
	is_int(pwrite(b, "!", 1, 599999), 1, "one byte is changed");
	is_int(sync_same(a, b, 0, 600001, NULL), 0, "which is seen");
	is_int(sync_same(a, b, 0, 599999, NULL), 1, "there and nowhere else");
	is_int(sync_copy(a, b, 0, 600002, NULL), -1, "more than there is");
	is_int(errno, EPROTO, "is not copied");
	is_int(sync_copy(a, b, 0, 600001, stop_now), -1, "a stop");
	is_int(errno, EINTR, "stops");
	is_int(sync_copy(a, b, 0, 0, NULL), 0, "nothing is no work");
	close(b);
	b = open("/dev/full", O_WRONLY);
	is_int(sync_copy(a, b, 0, 600001, NULL), -1, "a full disk");
	is_int(errno, ENOSPC, "says so");
	close(a);
	close(b);
}

static void folders(int in)
{
	is_int(sync_mkdirs(in, "x/y/z/file"), 0, "folders of a path");
	is_int(refused(in, "x/y/z", O_DIRECTORY), 0, "are made");
	is_int(refused(in, "x/y/z/file", 0), ENOENT, "but not the file");
	is_int(sync_mkdirs(in, "x/y/z/file"), 0, "once more");
	is_int(sync_mkdirs(in, "file"), 0, "no folder is no work");
	is_int(sync_mkdirs(in, "file/x"), 0, "a file in the way is found by who opens");
	is_int(sync_mkdirs(in, "file/x/y"), -1, "or by who goes on");
}

int main(void)
{
	char base[512], clean[600];
	const char *tmp = getenv("TMPDIR");

	snprintf(base, sizeof base, "%s/fyke-sync.XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(base) || chdir(base) < 0 || mkdir("in", 0755) < 0)
		return 99;
	int in = open("in", O_RDONLY | O_DIRECTORY);
	opening(in);
	copying();
	folders(in);
	close(in);
	snprintf(clean, sizeof clean, "rm -rf '%s'", base);
	return system(clean) != 0 || done_testing();
}
