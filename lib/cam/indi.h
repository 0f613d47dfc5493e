/*
 * indi.h - cameras behind an INDI server
 *
 * Options: server=HOST:PORT (127.0.0.1:7624), device=NAME (the first with a CCD).
 */
#ifndef FYKE_INDI_H
#define FYKE_INDI_H

#include "cam/cam.h"

extern const struct cam_back cam_indi;

#endif
