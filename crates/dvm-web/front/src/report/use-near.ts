import type { RefObject } from 'preact';
import { useEffect, useState } from 'preact/hooks';

/** Whether an element has been close to the visible part of the page, or the page is printed. */
export function useNear(element: RefObject<Element | null>): boolean {
  const [near, setNear] = useState(false);
  useEffect(() => {
    if (near || !element.current) return;
    const observer = new IntersectionObserver((entries) => entries.some(({ isIntersecting }) => isIntersecting) && setNear(true), {
      rootMargin: '1000px',
    });
    observer.observe(element.current);
    const printed = () => setNear(true);
    addEventListener('beforeprint', printed);
    return () => {
      observer.disconnect();
      removeEventListener('beforeprint', printed);
    };
  }, [near, element]);
  return near;
}
