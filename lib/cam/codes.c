/* codes.c - five-digit codes: their symbols, tags and words, by the call that gave them */
#include "cam/codes.h"

#include <stdio.h>
#include <string.h>

#include "base/cli.h"

/* What to do. */
#define NONE   ""
#define AGAIN  "Try again; if it comes back, restart the camera, then seqd."
#define CABLE  "Check the camera's power and cable, then try again."
#define DRIVER "Load the camera's driver, see that this user may open the device, restart seqd."
#define FILES  "Check the SDK's folder (--camera=dir=DIR), then restart seqd."
#define MEMORY "Free memory on this machine, then restart seqd."
#define VALUE  "Correct the value."
#define CANNOT "This camera cannot do it: leave it out."
#define HELD   "End the other program that holds the camera, or switch the camera off and on."
#define START  "Any camera command starts the camera: try again."
#define TEMP   "Look at the cooler: status shows it."
#define DISK   "Look at the disk: status shows its free space."
#define WAIT   "Wait, or use abort."
#define SPEED  "Use the other read-out speed (gainh, gainl)."

/* clang-format off */
static const struct code table[] = {
    {SEQ_OK, "SEQ_OK", CODE_NOTE, "done", NONE},
    {SEQ_UNKNOWN, "SEQ_UNKNOWN", CODE_ASTRO, "unknown command", "help lists them all."},
    {SEQ_NARGS, "SEQ_NARGS", CODE_ASTRO, "wrong number of arguments", "help VERB shows its usage."},
    {SEQ_RANGE, "SEQ_RANGE", CODE_ASTRO, "value out of range", VALUE},
    {SEQ_BUSY, "SEQ_BUSY", CODE_ASTRO, "busy", WAIT},
    {SEQ_NOTSUP, "SEQ_NOTSUP", CODE_ASTRO, "this back end cannot do it", CANNOT},
    {SEQ_ABORTED, "SEQ_ABORTED", CODE_WARNING, "aborted", NONE},
    {SEQ_TIMEOUT, "SEQ_TIMEOUT", CODE_ERROR, "time-out", AGAIN},
    {SEQ_DISK, "SEQ_DISK", CODE_ERROR, "disk or file", DISK},
    {SEQ_OFF, "SEQ_OFF", CODE_ASTRO, "the camera is off or warming up", "Wait for seqd to end, then start it again."},
    {SEQ_LINE, "SEQ_LINE", CODE_ERROR, "not a request", "One line of at most 1023 printable characters."},
    {SEQ_DENIED, "SEQ_DENIED", CODE_ERROR, "client refused", "Ask whoever runs seqd."},
    {20001, "DRV_ERROR_CODES", CODE_ERROR, "the camera does not answer", CABLE},
    {20002, "DRV_SUCCESS", CODE_NOTE, "done", NONE},
    {20003, "DRV_VXDNOTINSTALLED", CODE_ERROR, "kernel/USB driver not loaded", DRIVER},
    {20004, "DRV_ERROR_SCAN", CODE_ERROR, "driver: scan error", AGAIN},
    {20005, "DRV_ERROR_CHECK_SUM", CODE_ERROR, "driver: checksum error", AGAIN},
    {20006, "DRV_ERROR_FILELOAD", CODE_ERROR, "cannot load firmware files (*.COF / *.RBF)", FILES},
    {20007, "DRV_UNKNOWN_FUNCTION", CODE_ERROR, "driver does not know the function", AGAIN},
    {20008, "DRV_ERROR_VXD_INIT", CODE_ERROR, "driver initialisation failed", DRIVER},
    {20009, "DRV_ERROR_ADDRESS", CODE_ERROR, "bad address in driver", AGAIN},
    {20010, "DRV_ERROR_PAGELOCK", CODE_ERROR, "cannot lock/allocate memory", MEMORY},
    {20011, "DRV_ERROR_PAGEUNLOCK", CODE_ERROR, "cannot unlock memory", MEMORY},
    {20012, "DRV_ERROR_BOARDTEST", CODE_ERROR, "board self-test failed", CABLE},
    {20013, "DRV_ERROR_ACK", CODE_ERROR, "no reply from the camera/card (cable, power)", CABLE},
    {20014, "DRV_ERROR_UP_FIFO", CODE_ERROR, "upload FIFO error", CABLE},
    {20015, "DRV_ERROR_PATTERN", CODE_ERROR, "test pattern error", CABLE},
    {20017, "DRV_ACQUISITION_ERRORS", CODE_ERROR, "acquisition settings invalid", AGAIN},
    {20018, "DRV_ACQ_BUFFER", CODE_ERROR, "host could not read data at the needed rate; acquisition auto-aborted", AGAIN},
    {20019, "DRV_ACQ_DOWNFIFO_FULL", CODE_ERROR, "camera memory filled before the host read it; auto-aborted", CABLE},
    {20020, "DRV_PROC_UNKONWN_INSTRUCTION", CODE_ERROR, "controller got an unknown instruction", AGAIN},
    {20021, "DRV_ILLEGAL_OP_CODE", CODE_ERROR, "illegal op-code in controller", AGAIN},
    {20022, "DRV_KINETIC_TIME_NOT_MET", CODE_ERROR, "kinetic cycle time cannot be met; auto-aborted", AGAIN},
    {20023, "DRV_ACCUM_TIME_NOT_MET", CODE_ERROR, "accumulate cycle time cannot be met; auto-aborted", AGAIN},
    {20024, "DRV_NO_NEW_DATA", CODE_WARNING, "no data yet / wait ended without an acquisition event (time-out, CancelWait)", AGAIN},
    {20025, "KERN_MEM_ERROR", CODE_ERROR, "kernel memory error", MEMORY},
    {20026, "DRV_SPOOLERROR", CODE_ERROR, "spool buffer overflow", DISK},
    {20027, "DRV_SPOOLSETUPERROR", CODE_ERROR, "spool settings wrong", DISK},
    {20028, "DRV_FILESIZELIMITERROR", CODE_ERROR, "file size limit reached", DISK},
    {20029, "DRV_ERROR_FILESAVE", CODE_ERROR, "SDK could not save a file", DISK},
    {20033, "DRV_TEMPERATURE_CODES", CODE_NOTE, "about temperatures", NONE},
    {20034, "DRV_TEMPERATURE_OFF", CODE_NOTE, "cooler is off", NONE},
    {20035, "DRV_TEMPERATURE_NOT_STABILIZED", CODE_NOTE, "set point reached, not yet stable", NONE},
    {20036, "DRV_TEMPERATURE_STABILIZED", CODE_NOTE, "stable at set point", NONE},
    {20037, "DRV_TEMPERATURE_NOT_REACHED", CODE_NOTE, "on its way to the set point", NONE},
    {20038, "DRV_TEMPERATURE_OUT_RANGE", CODE_WARNING, "temperature out of range", TEMP},
    {20039, "DRV_TEMPERATURE_NOT_SUPPORTED", CODE_WARNING, "temperature reading not supported", TEMP},
    {20040, "DRV_TEMPERATURE_DRIFT", CODE_WARNING, "was stable, has drifted since", TEMP},
    {20049, "DRV_GENERAL_ERRORS", CODE_ERROR, "general error (e.g. image series out of buffer range)", AGAIN},
    {20050, "DRV_INVALID_AUX", CODE_ERROR, "invalid auxiliary port", AGAIN},
    {20051, "DRV_COF_NOTLOADED", CODE_ERROR, "COF firmware not loaded", FILES},
    {20052, "DRV_FPGAPROG", CODE_ERROR, "FPGA programming failed", AGAIN},
    {20053, "DRV_FLEXERROR", CODE_ERROR, "cannot load *.RBF", FILES},
    {20054, "DRV_GPIBERROR", CODE_ERROR, "GPIB error", AGAIN},
    {20055, "DRV_EEPROMVERSIONERROR", CODE_ERROR, "wrong EEPROM version, or DMA upload failed", AGAIN},
    {20064, "DRV_DATATYPE", CODE_ERROR, "data type error", AGAIN},
    {20065, "DRV_DRIVER_ERRORS", CODE_ERROR, "an error of the driver", AGAIN},
    {20066, "DRV_P1INVALID", CODE_ASTRO, "argument 1 refused (SetImage: hbin; SetExposureTime: time; SetTemperature: value)", VALUE},
    {20067, "DRV_P2INVALID", CODE_ASTRO, "argument 2 refused (SetImage: vbin)", VALUE},
    {20068, "DRV_P3INVALID", CODE_ASTRO, "argument 3 refused (SetImage: hstart)", VALUE},
    {20069, "DRV_P4INVALID", CODE_ASTRO, "argument 4 refused (SetImage: hend)", VALUE},
    {20070, "DRV_INIERROR", CODE_ERROR, "cannot read DETECTOR.INI", FILES},
    {20071, "DRV_COFERROR", CODE_ERROR, "cannot load *.COF", FILES},
    {20072, "DRV_ACQUIRING", CODE_ASTRO, "an acquisition is running", WAIT},
    {20073, "DRV_IDLE", CODE_NOTE, "nothing is running (AbortAcquisition on an idle camera: harmless)", NONE},
    {20074, "DRV_TEMPCYCLE", CODE_NOTE, "temperature cycle running", NONE},
    {20075, "DRV_NOT_INITIALIZED", CODE_ERROR, "Initialize has not been called / camera off", START},
    {20076, "DRV_P5INVALID", CODE_ASTRO, "argument 5 refused (SetImage: vstart)", VALUE},
    {20077, "DRV_P6INVALID", CODE_ASTRO, "argument 6 refused (SetImage: vend)", VALUE},
    {20078, "DRV_INVALID_MODE", CODE_ASTRO, "mode not available", VALUE},
    {20079, "DRV_INVALID_FILTER", CODE_ERROR, "filter not available in this acquisition", AGAIN},
    {20080, "DRV_I2CERRORS", CODE_ERROR, "I2C error", CABLE},
    {20081, "DRV_I2CDEVNOTFOUND", CODE_ERROR, "I2C device missing (shutter controller, ...)", CABLE},
    {20082, "DRV_I2CTIMEOUT", CODE_ERROR, "I2C time-out", CABLE},
    {20083, "DRV_P7INVALID", CODE_ASTRO, "argument 7 refused", VALUE},
    {20084, "DRV_P8INVALID", CODE_ASTRO, "argument 8 refused", VALUE},
    {20085, "DRV_P9INVALID", CODE_ASTRO, "argument 9 refused", VALUE},
    {20086, "DRV_P10INVALID", CODE_ASTRO, "argument 10 refused", VALUE},
    {20087, "DRV_P11INVALID", CODE_ASTRO, "argument 11 refused", VALUE},
    {20089, "DRV_USBERROR", CODE_ERROR, "USB device not found or not USB 2", DRIVER},
    {20090, "DRV_IOCERROR", CODE_ERROR, "IO control error", DRIVER},
    {20091, "DRV_VRMVERSIONERROR", CODE_ERROR, "version mismatch", AGAIN},
    {20092, "DRV_GATESTEPERROR", CODE_ERROR, "gate step error", AGAIN},
    {20093, "DRV_USB_INTERRUPT_ENDPOINT_ERROR", CODE_ERROR, "USB interrupt endpoint error", CABLE},
    {20094, "DRV_RANDOM_TRACK_ERROR", CODE_ASTRO, "invalid combination of tracks", VALUE},
    {20095, "DRV_INVALID_TRIGGER_MODE", CODE_ASTRO, "trigger mode invalid", VALUE},
    {20096, "DRV_LOAD_FIRMWARE_ERROR", CODE_ERROR, "firmware upload failed (another process holds the camera, permissions, power)", HELD},
    {20097, "DRV_DIVIDE_BY_ZERO_ERROR", CODE_ERROR, "divide by zero", AGAIN},
    {20098, "DRV_INVALID_RINGEXPOSURES", CODE_ASTRO, "ring exposures invalid", VALUE},
    {20099, "DRV_BINNING_ERROR", CODE_ASTRO, "range not a multiple of the binning (reported by StartAcquisition)", VALUE},
    {20100, "DRV_INVALID_AMPLIFIER", CODE_ASTRO, "amplifier invalid", VALUE},
    {20101, "DRV_INVALID_COUNTCONVERT_MODE", CODE_ASTRO, "count-convert mode invalid", VALUE},
    {20102, "DRV_USB_INTERRUPT_ENDPOINT_TIMEOUT", CODE_ERROR, "USB interrupt endpoint time-out", CABLE},
    {20115, "DRV_ERROR_MAP", CODE_ERROR, "memory map failed", MEMORY},
    {20116, "DRV_ERROR_UNMAP", CODE_ERROR, "memory unmap failed", MEMORY},
    {20117, "DRV_ERROR_MDL", CODE_ERROR, "MDL failed", MEMORY},
    {20118, "DRV_ERROR_UNMDL", CODE_ERROR, "MDL release failed", MEMORY},
    {20119, "DRV_ERROR_BUFFSIZE", CODE_ERROR, "buffer size wrong", MEMORY},
    {20121, "DRV_ERROR_NOHANDLE", CODE_ERROR, "no handle", AGAIN},
    {20130, "DRV_GATING_NOT_AVAILABLE", CODE_ASTRO, "no gating on this camera", CANNOT},
    {20131, "DRV_FPGA_VOLTAGE_ERROR", CODE_ERROR, "FPGA voltage error", AGAIN},
    {20150, "DRV_OW_CMD_FAIL", CODE_ERROR, "one-wire command failed", AGAIN},
    {20151, "DRV_OWMEMORY_BAD_ADDR", CODE_ERROR, "one-wire bad address", AGAIN},
    {20152, "DRV_OWCMD_NOT_AVAILABLE", CODE_ERROR, "one-wire command not available", AGAIN},
    {20153, "DRV_OW_NO_SLAVES", CODE_ERROR, "one-wire: no slaves", AGAIN},
    {20154, "DRV_OW_NOT_INITIALIZED", CODE_ERROR, "one-wire not initialised", AGAIN},
    {20155, "DRV_OW_ERROR_SLAVE_NUM", CODE_ERROR, "one-wire slave number", AGAIN},
    {20156, "DRV_MSTIMINGS_ERROR", CODE_ERROR, "ms timings error", AGAIN},
    {20173, "DRV_OA_NULL_ERROR", CODE_ERROR, "OptAcquire: null", AGAIN},
    {20174, "DRV_OA_PARSE_DTD_ERROR", CODE_ERROR, "OptAcquire: DTD parse", AGAIN},
    {20175, "DRV_OA_DTD_VALIDATE_ERROR", CODE_ERROR, "OptAcquire: DTD validate", AGAIN},
    {20176, "DRV_OA_FILE_ACCESS_ERROR", CODE_ERROR, "OptAcquire: file access", AGAIN},
    {20177, "DRV_OA_FILE_DOES_NOT_EXIST", CODE_ERROR, "OptAcquire: file missing", AGAIN},
    {20178, "DRV_OA_XML_INVALID_OR_NOT_FOUND_ERROR", CODE_ERROR, "OptAcquire: XML bad/missing", AGAIN},
    {20179, "DRV_OA_PRESET_FILE_NOT_LOADED", CODE_ERROR, "OptAcquire: preset file not loaded", AGAIN},
    {20180, "DRV_OA_USER_FILE_NOT_LOADED", CODE_ERROR, "OptAcquire: user file not loaded", AGAIN},
    {20181, "DRV_OA_PRESET_AND_USER_FILE_NOT_LOADED", CODE_ERROR, "OptAcquire: neither loaded", AGAIN},
    {20182, "DRV_OA_INVALID_FILE", CODE_ERROR, "OptAcquire: invalid file", AGAIN},
    {20183, "DRV_OA_FILE_HAS_BEEN_MODIFIED", CODE_ERROR, "OptAcquire: file modified", AGAIN},
    {20184, "DRV_OA_BUFFER_FULL", CODE_ERROR, "OptAcquire: buffer full", AGAIN},
    {20185, "DRV_OA_INVALID_STRING_LENGTH", CODE_ERROR, "OptAcquire: string length", AGAIN},
    {20186, "DRV_OA_INVALID_CHARS_IN_NAME", CODE_ERROR, "OptAcquire: bad characters in name", AGAIN},
    {20187, "DRV_OA_INVALID_NAMING", CODE_ERROR, "OptAcquire: bad name", AGAIN},
    {20188, "DRV_OA_GET_CAMERA_ERROR", CODE_ERROR, "OptAcquire: camera error", AGAIN},
    {20189, "DRV_OA_MODE_ALREADY_EXISTS", CODE_ERROR, "OptAcquire: mode exists", AGAIN},
    {20190, "DRV_OA_STRINGS_NOT_EQUAL", CODE_ERROR, "OptAcquire: strings differ", AGAIN},
    {20191, "DRV_OA_NO_USER_DATA", CODE_ERROR, "OptAcquire: no user data", AGAIN},
    {20192, "DRV_OA_VALUE_NOT_SUPPORTED", CODE_ERROR, "OptAcquire: value not supported", AGAIN},
    {20193, "DRV_OA_MODE_DOES_NOT_EXIST", CODE_ERROR, "OptAcquire: no such mode", AGAIN},
    {20194, "DRV_OA_CAMERA_NOT_SUPPORTED", CODE_ERROR, "OptAcquire: camera not supported", AGAIN},
    {20195, "DRV_OA_FAILED_TO_GET_MODE", CODE_ERROR, "OptAcquire: cannot get mode", AGAIN},
    {20196, "DRV_OA_CAMERA_NOT_AVAILABLE", CODE_ERROR, "OptAcquire: camera not available", AGAIN},
    {20211, "DRV_PROCESSING_FAILED", CODE_ERROR, "post-processing failed", AGAIN},
    {20990, "DRV_ERROR_NOCAMERA", CODE_ERROR, "no camera found", CABLE},
    {20991, "DRV_NOT_SUPPORTED", CODE_ASTRO, "camera does not support this", CANNOT},
    {20992, "DRV_NOT_AVAILABLE", CODE_ASTRO, "feature not available on this system (also: another process owns the camera)", HELD},
};

/* Where a code means something else than in general. tag -1: as in general. */
static const struct by_call {
	const char *call;
	unsigned code;
	int tag;
	const char *text, *todo;
} by_call[] = {
    {"SetImage", 20002, -1, "All parameters accepted", NONE},
    {"SetImage", 20066, -1, "horizontal binning refused", "Use a smaller xbin."},
    {"SetImage", 20067, -1, "vertical binning refused", "Use a smaller ybin."},
    {"SetImage", 20068, -1, "first column refused", "Correct xbeg, or use resetxy."},
    {"SetImage", 20069, -1, "last column refused", "Correct xsize, or use resetxy."},
    {"SetImage", 20076, -1, "first row refused", "Correct ybeg, or use resetxy."},
    {"SetImage", 20077, -1, "last row refused", "Correct ysize, or use resetxy."},
    {"SetExposureTime", 20002, -1, "Exposure time accepted", NONE},
    {"SetExposureTime", 20066, -1, "exposure time refused", "Use another time."},
    {"SetReadMode", 20066, -1, "read mode refused", CANNOT},
    {"SetAcquisitionMode", 20066, -1, "acquisition mode refused", CANNOT},
    {"SetTriggerMode", 20066, -1, "trigger mode refused", CANNOT},
    {"SetADChannel", 20066, -1, "no such AD channel", CANNOT},
    {"SetOutputAmplifier", 20066, -1, "no such amplifier", "Use another ampl."},
    {"SetHSSpeed", 20066, -1, "amplifier refused for this read-out speed", SPEED},
    {"SetHSSpeed", 20067, -1, "read-out speed refused", SPEED},
    {"SetVSSpeed", 20066, -1, "vertical speed refused", CANNOT},
    {"SetPreAmpGain", 20066, -1, "pre-amplifier gain refused", SPEED},
    {"SetShutter", 20066, -1, "shutter's TTL level refused", CANNOT},
    {"SetShutter", 20067, -1, "shutter mode refused", CANNOT},
    {"SetShutter", 20068, -1, "shutter's closing time refused", CANNOT},
    {"SetShutter", 20069, -1, "shutter's opening time refused", CANNOT},
    {"SetTemperature", 20066, -1, "temperature refused", "Use a temperature within the camera's range: status shows it."},
    {"GetTemperatureF", 20072, -1, "not readable during an exposure", NONE},
    {"GetTemperature", 20072, -1, "not readable during an exposure", NONE},
    {"StartAcquisition", 20079, -1, "filter not available in this acquisition", CANNOT},
    {"AbortAcquisition", 20002, -1, "aborted", NONE},
    {"AbortAcquisition", 20073, -1, "nothing was running", NONE},
    {"GetAcquiredData16", 20066, -1, "no buffer for the image", AGAIN},
    {"GetAcquiredData16", 20067, -1, "the image has another size than was set", "Use resetxy, then try again."},
    {"GetAcquiredData16", 20024, CODE_ERROR, "the camera has no image", AGAIN},
    {"dlopen", 20075, -1, "the vendor's library cannot be loaded", "Install it, or name it: --camera=library=FILE, or ANDOR_SDK."},
    {"dlsym", 20075, -1, "the vendor's library is not the expected one", "Install SDK 2."},
    {"Initialize", 20096, CODE_ERROR, "firmware upload failed: another program may hold the camera", HELD},
    {"Initialize", 20992, CODE_ERROR, "not available: another program may hold the camera", HELD},
    {"Initialize", 20075, -1, "the SDK did not start", AGAIN},
    {"CCD_TEMPERATURE", 20066, -1, "temperature refused", "Use another temp."},
    {"CCD_EXPOSURE", 20066, -1, "exposure time refused", "Use another time."},
    {"CCD_BINNING", 20066, -1, "horizontal binning refused", "Use another xbin."},
    {"CCD_BINNING", 20067, -1, "vertical binning refused", "Use another ybin."},
    {"CCD_FRAME", 20066, -1, "first column refused", "Correct xbeg, or use resetxy."},
    {"CCD_FRAME", 20067, -1, "first row refused", "Correct ybeg, or use resetxy."},
    {"CCD_FRAME", 20068, -1, "number of columns refused", "Correct xsize, or use resetxy."},
    {"CCD_FRAME", 20069, -1, "number of rows refused", "Correct ysize, or use resetxy."},
    {"CCD1", 20067, CODE_ERROR, "the image has another size than was set", "Use resetxy, then try again."},
    {"SetCurrentCamera", 20992, CODE_ERROR, "not available: another program may hold the camera", HELD},
    {"SetCurrentCamera", 20066, CODE_ERROR, "no such camera", "Correct --camera=index=N, then restart seqd."},
    {"GetCameraHandle", 20066, CODE_ERROR, "no such camera", "Correct --camera=index=N, then restart seqd."},
};
/* clang-format on */

#define N(a) (sizeof(a) / sizeof *(a))

const struct code *code_row(size_t i)
{
	return i < N(table) ? &table[i] : NULL;
}

struct code code_find(const char *call, unsigned code)
{
	struct code c = {code, "UNKNOWN_CODE", CODE_ERROR, "a code that is in no list", AGAIN};

	for (size_t i = 0; i < N(table); i++)
		if (table[i].code == code)
			c = table[i];
	for (size_t i = 0; call && i < N(by_call); i++) {
		const struct by_call *b = &by_call[i];
		if (b->code != code || strcmp(b->call, call) != 0)
			continue;
		c.text = b->text;
		c.todo = b->todo;
		if (b->tag >= 0)
			c.tag = (enum code_tag)b->tag;
	}
	return c;
}

char *code_shape(
    enum code_tag tag, unsigned code, const char *call, const char *text, char *buf, size_t size)
{
	const char *symbol = code_find(call, code).symbol;

	if (tag == CODE_NOTE || strcmp(call, "-") == 0)
		snprintf(buf, size, "%s: %s", symbol, text);
	else
		snprintf(buf, size, "%s: %s %05u: %s", symbol, call, code, text);
	return buf;
}

static const char *const tags[] = {"NOTE", "ASTRO", "WARNING", "ERROR", "DEBUG"};

const char *code_tag_name(enum code_tag tag)
{
	return tags[tag];
}

int code_tag_parse(const char *name, enum code_tag *tag)
{
	for (size_t i = 0; i < N(tags); i++) {
		if (strcmp(tags[i], name) == 0) {
			*tag = (enum code_tag)i;
			return 0;
		}
	}
	return -1;
}

int code_exit(enum code_tag tag, unsigned code, int aborted_it)
{
	switch (code) {
	case SEQ_UNKNOWN:
	case SEQ_NARGS:
	case SEQ_LINE:
		return EXIT_USAGE;
	case SEQ_RANGE:
	case SEQ_BUSY:
	case SEQ_NOTSUP:
	case SEQ_OFF:
	case SEQ_DENIED:
		return EXIT_REFUSED;
	case SEQ_TIMEOUT:
	case SEQ_DISK:
		return EXIT_SYSTEM;
	case SEQ_ABORTED:
		return aborted_it ? EXIT_CTRL_C : EXIT_DATA;
	}
	return tag == CODE_ERROR ? EXIT_DATA : tag == CODE_ASTRO ? EXIT_REFUSED : EXIT_DONE;
}
