"""What every page of the operators' console shares; the nouns live in each app's own `admin`."""
