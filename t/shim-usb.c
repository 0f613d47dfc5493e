/*
 * shim-usb.c - preloaded by tests: libserialport finds the USB devices that a file names
 *
 * FAKE_USB names a file of lines "VID PID SERIAL PORT" (hexadecimal numbers; SERIAL - for none). It
 * is read at each search, so that a device can be unplugged, and come back under another name.
 */
#include <libserialport.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fake {
	int vid, pid;
	char serial[64], name[256];
};

enum sp_return sp_list_ports(struct sp_port ***list)
{
	const char *path = getenv("FAKE_USB");
	struct fake f;
	size_t n = 0;

	*list = calloc(16, sizeof **list);
	FILE *in = path ? fopen(path, "re") : NULL;
	while (*list && in && n < 15 &&
	    fscanf(in, "%x %x %63s %255s", (unsigned *)&f.vid, (unsigned *)&f.pid, f.serial,
		f.name) == 4) {
		struct fake *copy = malloc(sizeof f);
		if (copy) {
			*copy = f;
			(*list)[n++] = (struct sp_port *)copy;
		}
	}
	if (in)
		fclose(in);
	return SP_OK;
}

void sp_free_port_list(struct sp_port **list)
{
	for (size_t i = 0; list[i]; i++)
		free(list[i]);
	free(list);
}

enum sp_return sp_get_port_usb_vid_pid(const struct sp_port *p, int *vid, int *pid)
{
	const struct fake *f = (const void *)p;
	*vid = f->vid;
	*pid = f->pid;
	return SP_OK;
}

char *sp_get_port_usb_serial(const struct sp_port *p)
{
	struct fake *f = (void *)(size_t)p;
	return strcmp(f->serial, "-") == 0 ? NULL : f->serial;
}

char *sp_get_port_name(const struct sp_port *p)
{
	return ((struct fake *)(size_t)p)->name;
}
