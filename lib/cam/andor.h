/*
 * andor.h - Andor cameras by the vendor's SDK 2, loaded at run time
 *
 * Options: library=FILE (libandor.so, or $ANDOR_SDK), dir=DIR (/usr/local/etc/andor), index=N (0).
 */
#ifndef FYKE_ANDOR_H
#define FYKE_ANDOR_H

#include "cam/cam.h"

extern const struct cam_back cam_andor;

#endif
