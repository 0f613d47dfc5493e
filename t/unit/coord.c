/*
 * coord.c - apparent places against values of ERFA 2.0.0, for 2005-06-21T08:12:34.560 at the CSO
 *
 * With an argument it is a filter for t/coord.t: lines "FRAME EQUINOX LON LAT NS DUT1 XP YP"
 * (degrees, seconds, arcseconds) become "RA DEC RA DEC" (degrees): apparent, and ICRS (from FK4:
 * FK5 J2000).
 */
#include "sky/coord.h"

#include <math.h>
#include <stdio.h>

#include "base/tim.h"
#include "tap.h"

#define DEG          (M_PI / 180)
#define HMS(h, m, s) (((h) + (m) / 60.0 + (s) / 3600.0) * 15 * DEG)
#define DMS(d, m, s) (((d) + (m) / 60.0 + (s) / 3600.0) * DEG)

static struct coord_moment moment;
static const struct coord_site site = {-155.4755 * DEG, 19.8224444444444444 * DEG, 4070,
    -0.04605107733333333 / 3600 * DEG, 0.38491846240000005 / 3600 * DEG};

/* Within mas of the wanted degrees. */
static void near(double got, double degrees, double mas, const char *words)
{
	double d = remainder(got / DEG - degrees, 360) * 3.6e6;

	if (!ok(fabs(d) <= mas, words))
		printf("# %.9f, wanted %.9f: %.3f mas\n", got / DEG, degrees, d);
}

static void apparent(enum coord_frame f, double equinox, double lon, double lat, double ra,
    double dec, const char *words)
{
	double r = 0, d = 0;
	char why[COORD_WHY];

	if (coord_apparent(&moment, &site, f, equinox, lon, lat, &r, &d, why) < 0)
		ok(false, why);
	near(r, ra, 1, words);
	near(d, dec, 1, "and its declination");
}

static void icrs(
    enum coord_frame f, double lon, double lat, double ra, double dec, const char *words)
{
	double r = 0, d = 0;
	char why[COORD_WHY];

	if (coord_icrs(&moment, &site, f, 0, lon, lat, &r, &d, why) < 0)
		ok(false, why);
	near(r, ra, 1, words);
	near(d, dec, 1, "and its declination");
}

static void body(const char *name, double ra, double dec, double distance)
{
	double r, d, au;

	is_int(coord_planet(&moment, coord_body(name), &r, &d, &au), 0, name);
	near(r, ra, 4, "its right ascension");
	near(d, dec, 4, "its declination");
	ok(fabs(au - distance) < 2e-6, "its distance");
}

static int filter(void)
{
	double equinox, lon, lat, ra, dec, r, d, dut1, xp, yp;
	int frame, status = 0;
	long long ns;
	char why[COORD_WHY];

	while (scanf("%d %lf %lf %lf %lld %lf %lf %lf", &frame, &equinox, &lon, &lat, &ns, &dut1,
		   &xp, &yp) == 8) {
		struct coord_site here = site;
		enum coord_frame f = (enum coord_frame)frame;
		here.xp = xp / 3600 * DEG;
		here.yp = yp / 3600 * DEG;
		if (coord_moment(&moment, ns, dut1) < 0 ||
		    coord_apparent(
			&moment, &here, f, equinox, lon * DEG, lat * DEG, &ra, &dec, why) < 0 ||
		    coord_icrs(&moment, &here, f, equinox, lon * DEG, lat * DEG, &r, &d, why) < 0)
			status = 1;
		else if (f == COORD_FK4)
			coord_fk4(&moment, lon * DEG, lat * DEG, &r, &d);
		if (!status)
			printf("%.12f %.12f %.12f %.12f\n", ra / DEG, dec / DEG, r / DEG, d / DEG);
	}
	return status;
}

int main(int argc, char **argv)
{
	double ra, dec;
	char why[COORD_WHY];

	(void)argv;
	if (argc > 1)
		return filter();
	int64_t utc = tim_join(2005, 6, 21, 8, 12, 34, 560000000);
	is_int(coord_moment(&moment, utc, -0.6157849815066667), 0, "a moment");
	near(moment.gast, 32.768369175, 1, "Greenwich apparent sidereal time");
	near(coord_last(&moment, &site), 237.292869175, 1, "local apparent sidereal time");
	apparent(COORD_ICRS, 0, HMS(12, 29, 6.6997), DMS(2, 3, 8.598), 187.347218945, 2.022721346,
	    "3C273 from ICRS");
	apparent(COORD_FK4, 1950, HMS(12, 26, 33.35), DMS(2, 19, 42), 187.347663051, 2.022390466,
	    "the same from B1950");
	coord_fk4(&moment, HMS(12, 26, 33.35), DMS(2, 19, 42), &ra, &dec);
	near(ra, 187.278366683, 1, "B1950 to FK5 J2000");
	near(dec, 2.052056628, 1, "and its declination");
	apparent(COORD_GALACTIC, 0, 32 * DEG, 0.5 * DEG, 282.063918789, -0.597288034,
	    "from Galactic coordinates");
	icrs(COORD_GALACTIC, 32 * DEG, 0.5 * DEG, 281.989504776, -0.601351596, "Galactic to ICRS");
	icrs(COORD_ECLIPTIC, 120 * DEG, 5 * DEG, 123.266801099, 25.048983889,
	    "ecliptic of date to ICRS");
	icrs(COORD_ECLIPTIC_2000, 120 * DEG, 5 * DEG, 123.348950468, 25.032856209,
	    "ecliptic of J2000");
	apparent(COORD_HORIZON, 0, 135 * DEG, 55 * DEG, 261.358328530, -5.956141102,
	    "from azimuth and elevation, rigorously");
	icrs(COORD_HORIZON, 135 * DEG, 55 * DEG, 261.281091434, -5.949369324, "horizon to ICRS");
	coord_horizon(coord_last(&moment, &site), site.latitude, 135 * DEG, 55 * DEG, &ra, &dec);
	near(ra, 261.358399000, 1, "from azimuth and elevation by the telescope's sidereal time");
	near(dec, -5.956226212, 1, "and its declination");
	double az, el;
	coord_to_horizon(coord_last(&moment, &site), site.latitude, ra, dec, &az, &el);
	near(az, 135, 0.001, "and back: azimuth");
	near(el, 55, 0.001, "elevation");
	apparent(COORD_APPARENT, 0, -10 * DEG, 5 * DEG, 350, 5, "an apparent place stays");
	apparent(COORD_FK5, 2000, HMS(12, 29, 6.808), DMS(2, 3, 7.4039), 187.347663051, 2.022390466,
	    "FK5 J2000");
	is_int(coord_apparent(&moment, &site, COORD_FK4, 1900, 1, 1, &ra, &dec, why), -1,
	    "FK4 of another equinox is refused");
	is_str(why, "FK4 of equinox 1900: only B1950 has a rigorous route", "with the reason");
	is_int(coord_apparent(&moment, &site, COORD_ICRS, 0, 1, 2, &ra, &dec, why), -1,
	    "a declination beyond the pole is refused");
	body("Mars", 6.805442, 0.310259, 1.061050);
	body("Jupiter", 189.090307, -2.451838, 5.199095);
	body("Uranus", 342.528544, -8.262988, 19.707001);
	body("Moon", 257.010809, -27.202573, 0.002431);
	is_int(coord_body("Earth"), -1, "the Earth is not seen in the sky");
	is_int(coord_moment(&moment, -1, 0), -1, "no moment before 1970");
	return done_testing();
}
