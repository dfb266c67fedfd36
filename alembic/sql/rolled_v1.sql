-- A quota in the day and the month that it is now in its time zone: what was counted of those before counts no more.
-- One that was never counted is counted from its rows. A clock that went back changes nothing.
CREATE FUNCTION rolled(q quotas, right_now timestamptz) RETURNS quotas
LANGUAGE plpgsql STABLE SECURITY INVOKER AS $$
DECLARE
  today date := (right_now AT TIME ZONE q.time_zone)::date;
  first date := date_trunc('month', today)::date;
BEGIN
  IF q.day IS NULL THEN
    q.day := today;
    q.month := first;
    RETURN counted(q);
  END IF;
  IF q.day < today THEN
    q.day := today;
    q.day_used := 0;
    q.day_reserved := 0;
  END IF;
  IF q.month < first THEN
    q.month := first;
    q.month_used := 0;
    q.month_reserved := 0;
    q.releases := 0;
  END IF;
  RETURN q;
END $$
