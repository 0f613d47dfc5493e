/* indi.c - cameras behind an INDI server */
#include "cam/indi.h"
static void release(struct cam *c)
{
	(void)c;
}
const struct cam_back cam_indi = {.name = "indi", .free = release};
