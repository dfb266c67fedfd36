-- What a charge rests on: whose a number is, since when, and how long it was held. A fact is added and never changed.
-- What was decided to be missing had ended by then, whatever is changed of it later, and also where it is given back
-- once more; unless it is seen again.
CREATE OR REPLACE FUNCTION note_fact() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  ended timestamptz := coalesce(NEW.released_at, CASE WHEN NEW.state = 'missing' THEN clock_timestamp() END);
BEGIN
  IF TG_OP = 'UPDATE' AND OLD.released_at IS NULL AND OLD.state IN ('missing', 'releasing')
     AND NEW.state IN ('missing', 'releasing', 'released') THEN
    ended := coalesce((SELECT f.ended_at FROM number_facts f WHERE f.number_id = NEW.id ORDER BY f.seq DESC LIMIT 1),
                      ended);
  END IF;
  INSERT INTO number_facts (number_id, valid_at, tenant_id, organization_id, user_id, holder_user_id, cost_center, tags,
                            number_type, area_code, acquired_at, ended_at, price_setup, price_monthly, price_currency)
  VALUES (NEW.id, CASE TG_OP WHEN 'INSERT' THEN NEW.acquired_at ELSE clock_timestamp() END, NEW.tenant_id,
          NEW.organization_id, NEW.user_id, NEW.holder_user_id, NEW.cost_center, NEW.tags, NEW.number_type, NEW.area_code,
          NEW.acquired_at, ended, NEW.price_setup, NEW.price_monthly, NEW.price_currency);
  RETURN NULL;
END $$
