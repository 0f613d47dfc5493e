/*
 * bme680.ino - a BME680 gas sensor that answers over USB, for gasread
 *
 * Any board with I2C and a serial line; the sensor at address 0x76 (SDO to ground). Needs the
 * library "Adafruit BME680". 115200 baud, 8N1. The host sends 'R'; the board answers one line:
 *
 *	295.42;96731;42.10;51234	kelvin ; pascal ; per cent ; ohm
 *
 * or a line of words when a reading fails. A sensor that is not there when the board starts is
 * looked for again at each question, so that plugging it in is enough.
 */
#include <Adafruit_BME680.h>
#include <Wire.h>

static const uint8_t address = 0x76;
static const uint16_t heater_celsius = 320, heater_ms = 150;
static const float kelvin = 273.15;

static Adafruit_BME680 sensor;
static bool found;

static void find_sensor()
{
	found = sensor.begin(address);
	if (!found) {
		Serial.println(F("Could not find a valid BME680 sensor, check wiring!"));
		return;
	}
	sensor.setTemperatureOversampling(BME680_OS_8X);
	sensor.setPressureOversampling(BME680_OS_4X);
	sensor.setHumidityOversampling(BME680_OS_2X);
	sensor.setIIRFilterSize(BME680_FILTER_SIZE_3);
	sensor.setGasHeater(heater_celsius, heater_ms);
}

static void answer()
{
	if (!found)
		find_sensor();
	if (!found)
		return; /* it has said so */
	if (!sensor.performReading()) {
		Serial.println(F("Failed to complete reading :("));
		return;
	}
	Serial.print(sensor.temperature + kelvin, 2);
	Serial.print(';');
	Serial.print(sensor.pressure);
	Serial.print(';');
	Serial.print(sensor.humidity, 2);
	Serial.print(';');
	Serial.println(sensor.gas_resistance);
}

void setup()
{
	Serial.begin(115200);
	find_sensor();
}

void loop()
{
	if (Serial.available() > 0 && Serial.read() == 'R')
		answer();
}
