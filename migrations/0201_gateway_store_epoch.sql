-- One row, made with the database: agents compare it to know whether generations still mean what they meant.
CREATE SCHEMA gateway;
CREATE TABLE gateway.store_epoch (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  epoch uuid NOT NULL
);
INSERT INTO gateway.store_epoch VALUES (true, gen_random_uuid());
