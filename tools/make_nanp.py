"""Write service/kit/nanp.py from NANPA's public NPA Database report (npa_report.csv).

    python tools/make_nanp.py npa_report.csv
    python tools/make_nanp.py npa_report.csv --as-of 2026-09-21 --entered-service 465,471,483

The second form brings an older report up to date with codes known to have entered service since. The report says
which codes are in service, where, and which share an area; only the places below, from public geography, are ours.
A code it lists that has no place takes that of its overlay; if it has none of those either, nothing is written.
"""

import argparse
import csv
import math
import sys
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import phonenumbers

TARGET = Path(__file__).resolve().parent.parent / "service" / "kit" / "nanp.py"
MOST_NEIGHBOURS = 8

Row = Mapping[str, str]

# NANPA writes states as postal codes and provinces in words.
REGIONS = {
    "AK": "Alaska", "AL": "Alabama", "AR": "Arkansas", "AZ": "Arizona", "CA": "California", "CO": "Colorado",
    "CT": "Connecticut", "DC": "District of Columbia", "DE": "Delaware", "FL": "Florida", "GA": "Georgia",
    "HI": "Hawaii", "IA": "Iowa", "ID": "Idaho", "IL": "Illinois", "IN": "Indiana", "KS": "Kansas", "KY": "Kentucky",
    "LA": "Louisiana", "MA": "Massachusetts", "MD": "Maryland", "ME": "Maine", "MI": "Michigan", "MN": "Minnesota",
    "MO": "Missouri", "MS": "Mississippi", "MT": "Montana", "NC": "North Carolina", "ND": "North Dakota",
    "NE": "Nebraska", "NH": "New Hampshire", "NJ": "New Jersey", "NM": "New Mexico", "NV": "Nevada",
    "NY": "New York", "OH": "Ohio", "OK": "Oklahoma", "OR": "Oregon", "PA": "Pennsylvania", "RI": "Rhode Island",
    "SC": "South Carolina", "SD": "South Dakota", "TN": "Tennessee", "TX": "Texas", "UT": "Utah", "VA": "Virginia",
    "VT": "Vermont", "WA": "Washington", "WI": "Wisconsin", "WV": "West Virginia", "WY": "Wyoming",
}  # fmt: skip
PROVINCES = {
    "ALBERTA": ("AB", "Alberta"),
    "BRITISH COLUMBIA": ("BC", "British Columbia"),
    "MANITOBA": ("MB", "Manitoba"),
    "NEW BRUNSWICK": ("NB", "New Brunswick"),
    "NEWFOUNDLAND AND LABRADOR": ("NL", "Newfoundland and Labrador"),
    "NORTHWEST TERRITORIES -YUKON - NUNAVUT": ("NT/NU/YT", "Northwest Territories, Nunavut and Yukon"),
    "NOVA SCOTIA - PRINCE EDWARD ISLAND": ("NS/PE", "Nova Scotia and Prince Edward Island"),
    "ONTARIO": ("ON", "Ontario"),
    "QUEBEC": ("QC", "Quebec"),
    "SASKATCHEWAN": ("SK", "Saskatchewan"),
}
TERRITORIES = {
    "AS": "American Samoa",
    "CNMI": "the Northern Mariana Islands",
    "GU": "Guam",
    "PR": "Puerto Rico",
    "VI": "the United States Virgin Islands",
}
# Names that do not read well in a sentence when only their case is changed.
COUNTRIES = {
    "ANTIGUA/BARBUDA": "Antigua and Barbuda",
    "BAHAMAS": "the Bahamas",
    "BRITISH VIRGIN ISLANDS": "the British Virgin Islands",
    "CAYMAN ISLANDS": "the Cayman Islands",
    "DOMINICAN REPUBLIC": "the Dominican Republic",
    "ST. KITTS & NEVIS": "Saint Kitts and Nevis",
    "ST.LUCIA": "Saint Lucia",
    "ST. VINCENT & GRENADINES": "Saint Vincent and the Grenadines",
    "TRINIDAD & TOBAGO": "Trinidad and Tobago",
    "TURKS & CAICOS ISLANDS": "the Turks and Caicos Islands",
}

# The row of 734 still names 679, from a plan made before 679 was given to Detroit (313) alone.
NOT_OVERLAYS = {frozenset({"679", "734"})}

# 456 left the plan, yet old dialling plans still route it as a service, so it is told apart from a free code.
SPECIAL_ALWAYS = {"456": "an inbound international service code"}

# One principal place an area, for people to recognise it by and to measure what is near: codes, latitude, longitude.
# A code laid over two areas that do not share all their codes stands between them or in the larger.
PLACES = """
205 659 = Birmingham 33.52 -86.80
251 = Mobile 30.69 -88.04
256 938 = Huntsville 34.73 -86.59
334 483 = Montgomery 32.37 -86.30
907 = Anchorage 61.22 -149.90
480 602 623 = Phoenix 33.45 -112.07
520 = Tucson 32.22 -110.97
928 = Flagstaff 35.20 -111.65
327 870 = Jonesboro 35.84 -90.70
479 = Fort Smith 35.39 -94.40
501 = Little Rock 34.75 -92.29
209 350 = Stockton 37.96 -121.29
213 323 738 = Los Angeles 34.05 -118.24
279 916 = Sacramento 38.58 -121.49
310 424 = Santa Monica 34.02 -118.49
341 510 = Oakland 37.80 -122.27
357 559 = Fresno 36.74 -119.79
369 707 = Santa Rosa 38.44 -122.71
408 669 = San Jose 37.34 -121.89
415 628 = San Francisco 37.77 -122.42
442 760 = Oceanside 33.20 -117.38
530 837 = Chico 39.73 -121.84
562 = Long Beach 33.77 -118.19
619 858 = San Diego 32.72 -117.16
626 = Pasadena 34.15 -118.14
650 = Redwood City 37.49 -122.24
657 714 = Anaheim 33.84 -117.91
661 = Bakersfield 35.37 -119.02
747 818 = Burbank 34.18 -118.31
805 820 = Ventura 34.28 -119.29
831 = Salinas 36.68 -121.66
840 909 = San Bernardino 34.11 -117.29
925 = Concord 37.98 -122.03
949 = Irvine 33.68 -117.83
951 = Riverside 33.95 -117.40
303 720 983 = Denver 39.74 -104.99
719 = Colorado Springs 38.83 -104.82
748 970 = Fort Collins 40.59 -105.08
203 475 = New Haven 41.31 -72.92
860 959 = Hartford 41.77 -72.67
302 = Wilmington 39.75 -75.55
202 771 = Washington 38.91 -77.04
239 = Fort Myers 26.64 -81.87
305 645 786 = Miami 25.77 -80.20
321 = Melbourne 28.08 -80.61
324 904 = Jacksonville 30.33 -81.66
352 = Gainesville 29.65 -82.32
386 = Daytona Beach 29.21 -81.02
407 689 = Orlando 28.54 -81.38
448 850 = Tallahassee 30.44 -84.28
561 728 = West Palm Beach 26.71 -80.06
656 813 = Tampa 27.95 -82.46
727 = St. Petersburg 27.77 -82.64
754 954 = Fort Lauderdale 26.12 -80.14
772 = Port St. Lucie 27.27 -80.36
863 = Lakeland 28.04 -81.95
941 = Sarasota 27.34 -82.53
229 = Albany 31.58 -84.16
404 470 678 943 = Atlanta 33.75 -84.39
478 = Macon 32.84 -83.63
706 762 = Augusta 33.47 -81.97
770 = Marietta 33.95 -84.55
912 = Savannah 32.08 -81.09
808 = Honolulu 21.31 -157.86
208 986 = Boise 43.62 -116.20
217 447 = Springfield 39.78 -89.65
224 847 = Arlington Heights 42.09 -87.98
309 861 = Peoria 40.69 -89.59
312 872 = Chicago 41.88 -87.63
773 = Chicago 41.94 -87.68
331 630 = Naperville 41.79 -88.15
464 708 = Oak Lawn 41.72 -87.75
618 730 = Belleville 38.52 -89.98
779 815 = Rockford 42.27 -89.09
219 = Gary 41.59 -87.35
260 = Fort Wayne 41.08 -85.14
317 463 = Indianapolis 39.77 -86.16
574 = South Bend 41.68 -86.25
765 = Muncie 40.19 -85.39
812 930 = Evansville 37.97 -87.56
319 = Cedar Rapids 41.98 -91.67
515 = Des Moines 41.59 -93.62
563 = Davenport 41.52 -90.58
641 = Mason City 43.15 -93.20
712 = Sioux City 42.50 -96.40
316 = Wichita 37.69 -97.34
620 = Hutchinson 38.06 -97.93
785 = Topeka 39.05 -95.68
913 = Kansas City 39.11 -94.63
270 364 = Bowling Green 36.99 -86.44
502 = Louisville 38.25 -85.76
606 = Ashland 38.48 -82.64
859 = Lexington 38.04 -84.50
225 = Baton Rouge 30.45 -91.19
318 457 = Shreveport 32.52 -93.75
337 = Lafayette 30.22 -92.02
504 = New Orleans 29.95 -90.07
985 = Houma 29.60 -90.72
207 = Portland 43.66 -70.26
227 240 301 = Rockville 39.08 -77.15
410 443 667 = Baltimore 39.29 -76.61
339 781 = Waltham 42.38 -71.24
351 978 = Lowell 42.63 -71.32
413 = Springfield 42.10 -72.59
508 774 = Worcester 42.26 -71.80
617 857 = Boston 42.36 -71.06
231 = Muskegon 43.23 -86.25
248 947 = Troy 42.61 -83.15
269 = Kalamazoo 42.29 -85.59
313 679 = Detroit 42.33 -83.05
517 = Lansing 42.73 -84.56
586 = Warren 42.51 -83.01
616 = Grand Rapids 42.96 -85.67
734 = Ann Arbor 42.28 -83.74
810 = Flint 43.01 -83.69
906 = Marquette 46.54 -87.40
989 = Saginaw 43.42 -83.95
218 = Duluth 46.79 -92.10
320 = St. Cloud 45.56 -94.16
507 924 = Rochester 44.02 -92.47
612 = Minneapolis 44.98 -93.27
651 = St. Paul 44.95 -93.09
763 = Brooklyn Park 45.09 -93.36
952 = Bloomington 44.84 -93.30
228 = Gulfport 30.37 -89.09
471 662 = Tupelo 34.26 -88.70
601 769 = Jackson 32.30 -90.18
235 573 = Columbia 38.95 -92.33
314 557 = St. Louis 38.63 -90.20
417 = Springfield 37.21 -93.29
636 = O'Fallon 38.81 -90.70
660 = Sedalia 38.70 -93.23
816 975 = Kansas City 39.10 -94.58
406 = Billings 45.78 -108.50
308 = Grand Island 40.92 -98.34
402 531 = Omaha 41.26 -95.95
702 725 = Las Vegas 36.17 -115.14
775 = Reno 39.53 -119.81
603 = Manchester 42.99 -71.46
201 551 = Jersey City 40.72 -74.05
609 640 = Trenton 40.22 -74.76
732 848 = New Brunswick 40.49 -74.45
856 = Camden 39.93 -75.11
862 973 = Newark 40.74 -74.17
908 = Elizabeth 40.66 -74.21
505 = Albuquerque 35.08 -106.65
575 = Las Cruces 32.32 -106.76
212 332 646 917 = New York 40.77 -73.97
347 465 718 929 = Brooklyn 40.65 -73.95
315 680 = Syracuse 43.05 -76.15
329 845 = Poughkeepsie 41.70 -73.92
363 516 = Hempstead 40.71 -73.62
518 838 = Albany 42.65 -73.76
585 = Rochester 43.16 -77.61
607 = Binghamton 42.10 -75.91
624 716 = Buffalo 42.89 -78.86
631 934 = Brentwood 40.78 -73.25
914 = Yonkers 40.93 -73.88
252 = Greenville 35.61 -77.37
336 743 = Greensboro 36.07 -79.79
472 910 = Fayetteville 35.05 -78.88
704 980 = Charlotte 35.23 -80.84
828 = Asheville 35.60 -82.55
919 984 = Raleigh 35.78 -78.64
701 = Fargo 46.88 -96.81
216 = Cleveland 41.50 -81.69
220 740 = Newark 40.06 -82.40
234 330 = Akron 41.08 -81.52
283 513 = Cincinnati 39.11 -84.51
326 937 = Dayton 39.76 -84.19
380 614 = Columbus 39.96 -83.00
419 567 = Toledo 41.65 -83.54
436 440 = Parma 41.40 -81.72
405 572 = Oklahoma City 35.47 -97.52
539 918 = Tulsa 36.15 -95.99
580 = Lawton 34.61 -98.39
458 541 = Eugene 44.05 -123.09
503 971 = Portland 45.52 -122.68
215 267 445 = Philadelphia 39.95 -75.17
223 717 = Harrisburg 40.27 -76.88
272 570 = Scranton 41.41 -75.66
412 878 = Pittsburgh 40.44 -80.00
484 610 835 = Allentown 40.60 -75.47
582 814 = Erie 42.12 -80.08
724 = Greensburg 40.30 -79.54
401 = Providence 41.82 -71.41
803 839 = Columbia 34.00 -81.03
821 864 = Greenville 34.85 -82.40
843 854 = Charleston 32.78 -79.93
605 = Sioux Falls 43.55 -96.73
423 729 = Chattanooga 35.05 -85.31
615 629 = Nashville 36.16 -86.78
731 = Jackson 35.61 -88.81
865 = Knoxville 35.96 -83.92
901 = Memphis 35.15 -90.03
931 = Clarksville 36.53 -87.36
210 726 = San Antonio 29.42 -98.49
214 469 945 972 = Dallas 32.78 -96.80
254 = Waco 31.55 -97.15
281 346 621 713 832 = Houston 29.76 -95.37
325 = Abilene 32.45 -99.73
361 = Corpus Christi 27.80 -97.40
409 = Beaumont 30.08 -94.13
430 903 = Tyler 32.35 -95.30
432 = Midland 32.00 -102.08
512 737 = Austin 30.27 -97.74
682 817 = Fort Worth 32.76 -97.33
806 = Lubbock 33.58 -101.86
830 = New Braunfels 29.70 -98.12
915 = El Paso 31.77 -106.45
936 = Conroe 30.31 -95.46
940 = Denton 33.21 -97.13
956 = Laredo 27.53 -99.48
979 = Bryan 30.67 -96.37
385 801 = Salt Lake City 40.76 -111.89
435 = St. George 37.10 -113.58
802 = Burlington 44.48 -73.21
276 = Bristol 36.60 -82.18
434 = Lynchburg 37.41 -79.14
540 826 = Roanoke 37.27 -79.94
571 703 = Arlington 38.88 -77.10
686 804 = Richmond 37.54 -77.44
757 948 = Virginia Beach 36.85 -75.98
206 = Seattle 47.61 -122.33
253 = Tacoma 47.25 -122.44
360 564 = Olympia 47.04 -122.90
425 = Bellevue 47.61 -122.20
509 = Spokane 47.66 -117.43
304 681 = Charleston 38.35 -81.63
262 = Waukesha 43.01 -88.23
274 920 = Green Bay 44.51 -88.01
353 608 = Madison 43.07 -89.40
414 = Milwaukee 43.04 -87.91
534 715 = Eau Claire 44.81 -91.50
307 = Cheyenne 41.14 -104.82
403 = Calgary 51.05 -114.07
780 = Edmonton 53.55 -113.49
368 587 825 = Calgary and Edmonton 52.30 -113.80
604 236 257 672 778 = Vancouver 49.26 -123.12
250 = Victoria 48.43 -123.37
204 431 584 = Winnipeg 49.90 -97.14
428 506 = Moncton 46.09 -64.77
709 879 = St. John's 47.56 -52.71
782 902 = Halifax 44.65 -63.57
867 = Whitehorse 60.72 -135.06
226 382 519 548 = London 42.98 -81.25
249 683 705 = Sudbury 46.49 -80.99
289 365 742 905 = Mississauga 43.59 -79.64
343 613 753 = Ottawa 45.42 -75.69
416 437 647 942 = Toronto 43.65 -79.38
807 = Thunder Bay 48.38 -89.25
263 438 514 = Montreal 45.50 -73.57
354 450 579 = Laval 45.61 -73.71
367 418 581 = Quebec City 46.81 -71.21
468 819 873 = Gatineau 45.48 -75.70
306 474 639 = Saskatoon 52.13 -106.67
"""


@dataclass(frozen=True)
class Place:
    name: str
    latitude: float
    longitude: float

    def kilometres_to(self, other: "Place") -> float:
        """Great-circle distance, on a sphere of 6371 km."""
        north, south = math.radians(self.latitude), math.radians(other.latitude)
        east = math.radians(other.longitude - self.longitude)
        half = math.sin((south - north) / 2) ** 2 + math.cos(north) * math.cos(south) * math.sin(east / 2) ** 2
        return 2 * 6371 * math.asin(math.sqrt(half))


def read_places() -> dict[str, Place]:
    places = {}
    for line in PLACES.strip().splitlines():
        codes, _, rest = line.partition(" = ")
        name, latitude, longitude = rest.rsplit(" ", 2)
        for code in codes.split():
            if code in places:
                raise SystemExit(f"{code} has two places")
            places[code] = Place(name, float(latitude), float(longitude))
    return places


def read_report(path: Path) -> tuple[date, list[dict[str, str]]]:
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        label, _, dated = file.readline().partition(",")
        if label != "File Date":
            raise SystemExit("this is not NANPA's NPA Database report: its first line gives no File Date")
        rows = [{key: (value or "").strip() for key, value in row.items()} for row in csv.DictReader(file)]
    if len(rows) != 800:
        raise SystemExit(f"the report should have 800 rows, from 200 to 999, and has {len(rows)}")
    return datetime.strptime(dated.strip(), "%m/%d/%Y").date(), rows


def region_of(row: Row) -> tuple[str, str, str]:
    """Country, region code and region name. A code shared by two provinces has both in its region code."""
    if row["COUNTRY"] == "CANADA":
        return "CA", *PROVINCES[row["LOCATION"]]
    return "US", row["LOCATION"], REGIONS[row["LOCATION"]]


def is_planned(row: Row) -> bool:
    return row["ASSIGNED"] == "Yes" and row["USE"] == "G" and row["COUNTRY"] in {"US", "CANADA"}


def overlays_among(rows: Iterable[Row], codes: Collection[str]) -> dict[str, set[str]]:
    """Which of these codes share an area, both ways round: rows of older codes often lag behind newer ones.

    It does not carry over: 470 is laid over 404 and over 770, which are two areas.
    """
    overlays: dict[str, set[str]] = {code: set() for code in codes}
    for row in rows:
        code = row["NPA_ID"]
        for other in row["OVERLAY_COMPLEX"].replace(",", "/").replace(" ", "").split("/"):
            if code in codes and other in codes and code != other and frozenset({code, other}) not in NOT_OVERLAYS:
                overlays[code].add(other)
                overlays[other].add(code)
    return overlays


def special_use(row: Row) -> str | None:
    """What a code that belongs to no place is for, as it fits after «NNN is »; None for a free code."""
    code, explanation, service = row["NPA_ID"], row["EXPLANATION"], row["SERVICE"]
    if code in SPECIAL_ALWAYS:
        return SPECIAL_ALWAYS[code]
    if explanation == "N11 Code":
        return "a service code, dialled by itself"
    if code.startswith("5") and (service == "Non-Geographic Services" or explanation == "Reserved for 5XX"):
        return "a personal or machine code that belongs to no place"
    if explanation == "Reserved for Canada" or (row["COUNTRY"] == "CANADA" and row["USE"] != "G"):
        return "a Canadian service code that belongs to no place"
    return {
        "555": "kept for directory assistance",
        "700": "kept for services of long-distance carriers",
        "710": "kept for the United States government",
        "950": "kept for access to carriers",
        "988": "kept for the crisis line",
    }.get(code)


def quoted(text: str) -> str:
    return f'"{text}"'


def table(name: str, kind: str, why: str, entries: Mapping[str, str]) -> str:
    lines = [f"    {quoted(code)}: {value}," for code, value in sorted(entries.items())]
    return "\n".join([f"# {why}", f"{name}: Final[Mapping[str, {kind}]] = {{", *lines, "}"])


def code_set(name: str, codes: Collection[str]) -> str:
    return "\n".join(
        [f"{name}: Final = frozenset(", "    {", *(f"        {quoted(code)}," for code in sorted(codes)), "    }", ")"]
    )


def render(reported: date, as_of: date, entered: Collection[str], rows: list[dict[str, str]]) -> str:
    for row in rows:
        if row["NPA_ID"] in entered:
            row["IN_SERVICE"] = "Y"
    geographic = [row for row in rows if row["USE"] == "G" and row["IN_SERVICE"] == "Y"]
    home = {row["NPA_ID"]: row for row in geographic if row["COUNTRY"] in {"US", "CANADA"}}
    territories = {code: row for code, row in home.items() if row["LOCATION"] in TERRITORIES}
    sold = {code: row for code, row in home.items() if code not in territories}
    planned = {row["NPA_ID"]: row for row in rows if is_planned(row) and row["IN_SERVICE"] != "Y"}
    abroad = {row["NPA_ID"]: row["COUNTRY"] for row in geographic if row["NPA_ID"] not in home}

    overlays = overlays_among(rows, sold.keys() | planned.keys())
    places = read_places()
    for code in sold:
        if code not in places:
            inherited = next((places[other] for other in sorted(overlays[code]) if other in places), None)
            if inherited is None:
                raise SystemExit(f"{code} has no place: add one to PLACES in {Path(__file__).name}")
            places[code] = inherited
    if surplus := sorted(places.keys() - sold.keys()):
        raise SystemExit(f"no longer in service, remove from PLACES: {' '.join(surplus)}")

    areas = {}
    for code, row in sold.items():
        over = sorted(overlays[code] & sold.keys())
        distance = {
            other: places[code].kilometres_to(places[other])
            for other, other_row in sold.items()
            if other_row["LOCATION"] == row["LOCATION"] and other != code and other not in over
        }
        near = sorted(distance, key=lambda other: (distance[other], other))[: max(0, MOST_NEIGHBOURS - len(over))]
        fields = (region_of(row)[1], places[code].name, " ".join(over), " ".join(near))
        areas[code] = f"({', '.join(map(quoted, fields))})"

    regions = {code: f"({quoted(country)}, {quoted(name)})" for country, code, name in map(region_of, sold.values())}
    soon = {}
    for code, row in planned.items():
        when = row["IN_SERVICE_DT"] and datetime.strptime(row["IN_SERVICE_DT"], "%d-%b-%Y").date().isoformat()
        joins = " ".join(sorted(overlays[code] & sold.keys()))
        # A date gone by that the report did not act on is no date to tell anyone.
        plan = (region_of(row)[1], when if when > as_of.isoformat() else "", joins)
        soon[code] = f"({', '.join(map(quoted, plan))})"
    special = {row["NPA_ID"]: quoted(use) for row in rows if (use := special_use(row))}
    toll_free = {row["NPA_ID"] for row in rows if row["SERVICE"] == "Toll-Free"}
    premium = {row["NPA_ID"] for row in rows if row["SERVICE"] == "Premium Services"}

    source = f"NANPA NPA Database, file date {reported}"
    if entered:
        source += f", brought up to {as_of} by {', '.join(sorted(entered))}"
    return "\n".join(
        [
            '"""Area codes of the North American Numbering Plan. Written by tools/make_nanp.py: change that, not this.',
            "",
            f"Source: {source}.",
            f"Compared with phonenumbers {phonenumbers.__version__} by tests/kit/test_nanp.py.",
            "Use it through service.kit.phone.",
            '"""',
            "",
            "from collections.abc import Mapping",
            "from typing import Final",
            "",
            f"AS_OF: Final = {quoted(as_of.isoformat())}",
            f"SOURCE: Final = {quoted(source)}",
            "",
            table("REGIONS", "tuple[str, str]", "Region: country, name.", regions),
            "",
            table(
                "AREAS",
                "tuple[str, str, str, str]",
                "In service and sold: region, principal place, overlays, then others of the region, nearest first.",
                areas,
            ),
            "",
            table(
                "PLANNED",
                "tuple[str, str, str]",
                "Assigned, not in service yet: region, date of service if one is known, the codes it will join.",
                soon,
            ),
            "",
            table(
                "TERRITORIES",
                "str",
                "In service in a territory of the United States.",
                {code: quoted(TERRITORIES[row["LOCATION"]]) for code, row in territories.items()},
            ),
            "",
            table(
                "ABROAD",
                "str",
                "In service in another country of the plan, dialled as +1 and charged as international.",
                {code: quoted(COUNTRIES.get(country, country.title())) for code, country in abroad.items()},
            ),
            "",
            table("SPECIAL", "str", "Codes of no place: what they are.", special),
            "",
            "# In use or set aside.",
            code_set("TOLL_FREE", toll_free),
            code_set("PREMIUM", premium),
            "",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Write service/kit/nanp.py from NANPA's npa_report.csv.")
    parser.add_argument("report", type=Path)
    parser.add_argument("--as-of", type=date.fromisoformat, help="the day up to which the table is true")
    parser.add_argument("--entered-service", default="", help="codes that entered service since the report, by commas")
    asked = parser.parse_args()

    reported, rows = read_report(asked.report)
    entered = {code for code in asked.entered_service.split(",") if code}
    if unknown := entered - {row["NPA_ID"] for row in rows if is_planned(row)}:
        raise SystemExit(f"not assigned to the United States or Canada in this report: {' '.join(sorted(unknown))}")
    TARGET.write_text(render(reported, asked.as_of or reported, entered, rows), encoding="utf-8")
    print(f"wrote {TARGET.name}", file=sys.stderr)


if __name__ == "__main__":
    main()
