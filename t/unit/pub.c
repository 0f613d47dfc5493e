/*
 * pub.c - names on disk: a file appears whole or not at all, and never in the place of another
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../tap.h"
#include "base/tim.h"
#include "file/pub.h"

static bool exists(const char *path)
{
	struct stat st;
	return lstat(path, &st) == 0;
}

static void put(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");
	fputs(text, f);
	fclose(f);
}

static const char *text_of(const char *path)
{
	static char buf[PUB_PATH + 300];
	FILE *f = fopen(path, "r");
	if (!f)
		return NULL;
	buf[fread(buf, 1, sizeof buf - 1, f)] = 0;
	fclose(f);
	return buf;
}

static void test_whole_or_not(void)
{
	struct pub p;

	is_int(pub_begin(&p, "run.nc", false), 0, "a file is begun");
	is_str(p.part, "./.run.nc.part", "its temporary name is hidden, in the same folder");
	int fd = pub_create(&p);
	ok(fd >= 0 && exists(".run.nc.part") && !exists("run.nc"),
	    "only the temporary name is there");
	ok(write(fd, "abc", 3) == 3, "it can be written");
	is_int(pub_commit(&p, fd, false), 0, "it is given its name");
	ok(!exists(".run.nc.part"), "the temporary name has gone");
	is_str(text_of("run.nc"), "abc", "the file is whole");
	close(fd);
	pub_end(&p);

	ok(pub_begin(&p, "left.nc", false) == 0 && (fd = pub_create(&p)) >= 0, "another is begun");
	close(fd);
	pub_end(&p);
	ok(!exists(".left.nc.part") && !exists("left.nc"), "a file given up leaves nothing behind");
}

static void test_never_overwrites(void)
{
	struct pub p;
	int fd = -1;

	put("old", "old");
	is_int(pub_begin(&p, "old", false), -1, "an existing name is refused");
	is_int(errno, EEXIST, "... as EEXIST");
	is_str(p.why, "old: exists, and is not overwritten", "... in words");

	ok(pub_begin(&p, "late", false) == 0 && (fd = pub_create(&p)) >= 0, "a free name is begun");
	put("late", "mine");
	is_int(pub_commit(&p, fd, false), -1, "a name taken meanwhile is refused at the end");
	is_int(errno, EEXIST, "... as EEXIST");
	is_str(text_of("late"), "mine", "... and the other file is as it was");
	close(fd);
	pub_end(&p);

	ok(pub_begin(&p, "old", true) == 0 && (fd = pub_create(&p)) >= 0, "a replacement is begun");
	is_str(text_of("old"), "old", "the old file stays until the new one is whole");
	ok(write(fd, "new", 3) == 3 && pub_commit(&p, fd, true) == 0, "a replacement is committed");
	is_str(text_of("old"), "new", "the new file is there");
	close(fd);
	pub_end(&p);

	ok(symlink("old", "link") == 0 && pub_begin(&p, "link", true) == 0 &&
		(fd = pub_create(&p)) >= 0 && pub_commit(&p, fd, true) == 0,
	    "a link is replaced");
	is_str(text_of("old"), "new", "... and not what it points to");
	close(fd);
	pub_end(&p);
}

static void test_folders(void)
{
	struct pub p;
	char path[PUB_PATH], why[PUB_WHY], name[300];

	is_int(pub_begin(&p, "none/run.nc", false), -1, "a missing folder is refused");
	is_int(errno, ENOENT, "... as ENOENT");
	is_str(p.why, "none: no such folder: make it first", "... in words");
	pub_end(&p);
	is_int(
	    pub_begin(&p, "old/run.nc", false), -1, "a file in the place of a folder is refused");
	is_int(errno, ENOTDIR, "... as ENOTDIR");
	is_int(pub_begin(&p, "./", false), -1, "a folder in the place of a file is refused");
	memset(name, 'x', sizeof name);
	name[250] = 0;
	is_int(pub_begin(&p, name, false), -1, "a name without room for .part is refused");
	is_int(errno, ENAMETOOLONG, "... as ENAMETOOLONG");
	is_int(pub_name(path, "none", "a", 0, "nc", why), -1, "no names in a missing folder");
}

static void test_two_writers(void)
{
	struct pub p, q, r;
	int fd = -1, other;

	put(".two.part", "stale");
	is_int(pub_begin(&p, "two", false), 0, "what a dead program left is no hindrance");
	ok(!exists(".two.part"), "... it is removed");
	fd = pub_create(&p);
	is_int(pub_begin(&q, "two", false), -1, "a file that a living program writes is refused");
	is_int(errno, EBUSY, "... as EBUSY");
	ok(exists(".two.part"), "... and left alone");
	ok(pub_commit(&p, fd, false) == 0, "the first writer is not disturbed");
	close(fd);
	pub_end(&p);

	/* A library makes the file; we lock it by a descriptor of our own. */
	ok(pub_begin(&p, "lib", false) == 0, "a file for a library is begun");
	put(p.part, "by a library");
	other = open(p.part, O_WRONLY);
	is_int(pub_hold(&p, other), 0, "it is held");
	ok(pub_begin(&q, "lib", false) == -1 && errno == EBUSY, "... against others too");
	is_int(pub_commit(&p, other, false), 0, "... and committed");
	is_str(text_of("lib"), "by a library", "... whole");
	close(other);
	pub_end(&p);

	/* The file is taken away from under the writer. */
	ok(pub_begin(&r, "gone", false) == 0 && (fd = pub_create(&r)) >= 0, "a third is begun");
	unlink(r.part);
	put(r.part, "somebody else's");
	ok(pub_commit(&r, fd, false) == -1 && errno == ESTALE, "a file taken away is noticed");
	pub_end(&r);
	ok(!exists("gone") && exists(".gone.part"),
	    "... the stranger's is not published nor removed");
	close(fd);
}

static void test_names(void)
{
	char path[PUB_PATH], why[PUB_WHY];
	int64_t t;

	tim_parse("2026-11-20T07:23:53.9Z", &t);
	is_int(pub_name(path, ".", "udp", t, "pcapng", why), 0, "a name for a moment");
	is_str(path, "./udp_20261120T072353Z.pcapng", "... is UT, and sorts as text");
	put(path, "");
	pub_name(path, ".", "udp", t, "pcapng", why);
	is_str(path, "./udp_20261120T072353Z-1.pcapng", "a name that is taken is passed over");
	put("./.udp_20261120T072353Z-1.pcapng.part", "");
	pub_name(path, ".", "udp", t, "pcapng", why);
	is_str(path, "./udp_20261120T072353Z-2.pcapng", "... also one that is being written");
}

static void test_current(void)
{
	char why[PUB_WHY], here[PATH_MAX], want[PATH_MAX + 32], to[64] = "";

	is_int(pub_current("./run.nc", "current", true, why), 0, "a link to the newest file");
	ok(readlink("current", to, sizeof to - 1) == 6, "... is symbolic");
	is_str(to, "run.nc", "... and relative, so that the folder can move");
	snprintf(want, sizeof want, "%s/run.nc\n", getcwd(here, sizeof here));
	is_str(text_of("current.cur"), want, "kst's file holds the whole path");
	is_int(pub_current("./old", "current", true, why), 0, "the link follows");
	is_str(text_of("current"), "new", "... to the next file");
	put("plain", "precious");
	is_int(pub_current("./old", "plain", false, why), -1, "an ordinary file is no link");
	is_str(text_of("plain"), "precious", "... and is left alone");
}

static char kept[2][PUB_PATH];
static int nkept;

static void keep(void *ctx, const char *path)
{
	(void)ctx;
	if (nkept < 2)
		snprintf(kept[nkept], PUB_PATH, "%s", path);
	nkept++;
}

static void test_rescue(void)
{
	char why[PUB_WHY];
	struct pub p;

	mkdir("d", 0777);
	put("d/.raw_20261120T072353Z.pcapng.part", "data of a dead program");
	put("d/.raw_20261120T082353Z.pcapng.part", "");
	put("d/.rawer_20261120T082353Z.pcapng.part", "another prefix");
	put("d/.raw_20261120T082353Z.nc.part", "another suffix");
	ok(pub_begin(&p, "d/raw_20261120T092353Z.pcapng", false) == 0, "a file is being written");
	int fd = pub_create(&p);
	ok(write(fd, "live", 4) == 4, "... by a living program");

	is_int(pub_rescue("d", "raw", "pcapng", keep, NULL, why), 1, "one dead file is kept");
	is_str(
	    kept[0], "d/raw_20261120T072353Z.cut.pcapng", "... under a name that says it is cut");
	is_str(text_of(kept[0]), "data of a dead program", "... whole");
	ok(!exists("d/.raw_20261120T082353Z.pcapng.part"), "an empty one is removed");
	ok(exists(p.part), "the living one is left alone");
	ok(exists("d/.rawer_20261120T082353Z.pcapng.part") &&
		exists("d/.raw_20261120T082353Z.nc.part"),
	    "so are those of other programs");

	put("d/raw_20261120T092353Z.cut.pcapng", "an older one");
	is_int(pub_keep(&p, fd), 0, "a file that cannot be finished is kept");
	is_str(p.path, "d/raw_20261120T092353Z-1.cut.pcapng", "... never in the place of another");
	is_str(text_of(p.path), "live", "... with what it holds");
	close(fd);
	pub_end(&p);
	is_int(
	    pub_rescue("none", "raw", "pcapng", keep, NULL, why), -1, "a missing folder is said");
}

int main(void)
{
	char dir[] = "/tmp/fyke-pub.XXXXXX", rm[64];

	if (!mkdtemp(dir) || chdir(dir) < 0)
		return 99;
	test_whole_or_not();
	test_never_overwrites();
	test_folders();
	test_two_writers();
	test_names();
	test_current();
	test_rescue();
	snprintf(rm, sizeof rm, "rm -rf %s", dir);
	if (chdir("/") < 0 || system(rm) != 0)
		return 99;
	return done_testing();
}
