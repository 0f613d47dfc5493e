/*
 * sim.h - a simulated camera, with the calls of Andor's SDK 2 and the faults that you ask for
 *
 * Options (--camera=KEY=VALUE):
 *	size=1024x1024	seed=1		speed=1		camera seconds in one of ours
 *	mhz=1		pixels read out in a microsecond; gainl doubles it
 *	temp=20		at the start, C	amps=1		no=abort	what it cannot do
 *	fault=StartAcquisition:20013	that call gives that code; @3 after it: only the third time
 * $SEQD_SIM_FAULT holds more faults, with commas between.
 */
#ifndef FYKE_SIM_CAM_H
#define FYKE_SIM_CAM_H

#include "cam/cam.h"

extern const struct cam_back cam_sim;

#endif
