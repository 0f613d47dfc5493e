/*
 * sdk.h - a camera by the calls of Andor's SDK 2: the vendor's library (andor.c) or ours (sim.c)
 *
 * The prototypes are written from the facts of the vendor's documentation; nothing of the vendor's
 * is included. Every function returns a code (codes.h); the library knows one camera at a time.
 */
#ifndef FYKE_SDK_H
#define FYKE_SDK_H

#include "cam/cam.h"

/* The 13 words of AndorCapabilities; the first is its size in bytes. */
struct sdk_capabilities {
	unsigned size, acq_modes, read_modes, trigger_modes, camera_type, pixel_mode, set_functions,
	    get_functions, features, pci_card, em_gain, ft_read_modes, features2;
};

/*        name                        arguments                      needed? */
#define SDK_CALLS(X)                                                                               \
	X(GetAvailableCameras, (int *), 1)                                                         \
	X(GetCameraHandle, (int, int *), 1)                                                        \
	X(SetCurrentCamera, (int), 1)                                                              \
	X(Initialize, (char *), 1)                                                                 \
	X(ShutDown, (void), 1)                                                                     \
	X(GetDetector, (int *, int *), 1)                                                          \
	X(GetTemperatureRange, (int *, int *), 1)                                                  \
	X(GetCapabilities, (struct sdk_capabilities *), 1)                                         \
	X(GetHeadModel, (char *), 0)                                                               \
	X(GetCameraSerialNumber, (int *), 0)                                                       \
	X(GetMaximumBinning, (int, int, int *), 1)                                                 \
	X(GetNumberAmp, (int *), 1)                                                                \
	X(GetNumberHSSpeeds, (int, int, int *), 1)                                                 \
	X(GetHSSpeed, (int, int, int, float *), 1)                                                 \
	X(GetFastestRecommendedVSSpeed, (int *, float *), 1)                                       \
	X(GetNumberPreAmpGains, (int *), 1)                                                        \
	X(SetTemperature, (int), 1)                                                                \
	X(CoolerON, (void), 1)                                                                     \
	X(CoolerOFF, (void), 1)                                                                    \
	X(SetCoolerMode, (int), 0)                                                                 \
	X(GetTemperatureF, (float *), 1)                                                           \
	X(SetReadMode, (int), 1)                                                                   \
	X(SetAcquisitionMode, (int), 1)                                                            \
	X(SetTriggerMode, (int), 1)                                                                \
	X(SetADChannel, (int), 1)                                                                  \
	X(SetOutputAmplifier, (int), 1)                                                            \
	X(SetHSSpeed, (int, int), 1)                                                               \
	X(SetVSSpeed, (int), 1)                                                                    \
	X(SetPreAmpGain, (int), 1)                                                                 \
	X(SetImage, (int, int, int, int, int, int), 1)                                             \
	X(SetShutter, (int, int, int, int), 1)                                                     \
	X(SetExposureTime, (float), 1)                                                             \
	X(GetAcquisitionTimings, (float *, float *, float *), 1)                                   \
	X(GetReadOutTime, (float *), 0)                                                            \
	X(StartAcquisition, (void), 1)                                                             \
	X(WaitForAcquisitionTimeOut, (int), 1)                                                     \
	X(GetStatus, (int *), 1)                                                                   \
	X(AbortAcquisition, (void), 1)                                                             \
	X(GetAcquiredData16, (unsigned short *, unsigned), 1)

#define SDK_FIELD(name, args, must) unsigned(*name) args;

struct sdk {
	SDK_CALLS(SDK_FIELD)
};

/* What one image needs, by these calls. own is a struct sdk_state. */
struct sdk_state {
	struct sdk call;
	char dir[256]; /* of detector.ini */
	int index;     /* of the camera */
	int vs_speed, slow, fast, speeds, gains;
	double exposure;
	int64_t begun;
	uint16_t *pixels; /* where the image goes */
	size_t npixels;
};

int sdk_start(struct cam *c);
int sdk_frame(struct cam *c, const struct cam_frame *f);
int sdk_cool(struct cam *c, bool on, double celsius);
int sdk_temperature(struct cam *c, double *celsius);
int sdk_prepare(struct cam *c, const struct cam_setup *s, struct cam_timing *t);
int sdk_expose(struct cam *c, uint16_t *pixels, size_t n);
int sdk_wait(struct cam *c, int64_t ns, struct cam_progress *p);
int sdk_fetch(struct cam *c);
int sdk_abort(struct cam *c);
int sdk_stop(struct cam *c);

#endif
